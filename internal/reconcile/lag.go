package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
	"github.com/relbot/relbot/internal/work"
)

// For some seconds after an event GitHub's reads may tell the state before it (tanium/octobot#315, rocq-prover/bot#1). What an event said is remembered
// with the pull request or the repository, and a read that does not show it yet is no fact: its work is tried again. After lagLimit what is read counts:
// the event may have been an old one, delivered again.
const lagLimit = time.Minute

// lagError says that reads tell an older state than events did.
type lagError struct {
	pulls []coupling.Pull
	repos []coupling.Repo
}

func (e *lagError) Error() string { return "GitHub still tells the state before an event" }

// lags reports whether a read of a pull request shows an older state than is known. Times of GitHub are whole seconds: within one a value that an event
// replaced shows it.
func (d pullDoc) lags(fact versionscan.Fact[forge.Pull]) bool {
	switch {
	case d.Told.IsZero():
		return false
	case fact.Known():
		f := fact.Value
		return f.UpdatedAt.Before(d.Updated) || f.UpdatedAt.Equal(d.Updated) && d.replaced(f)
	}
	return fact.Absent() // it is new
}

// second is what events said of a pull request in the newest second of which relbot knows.
type second struct {
	Changes []work.Change     `json:"changes,omitempty"`
	Before  map[string]string `json:"before,omitempty"` // field: its value before that second, as far as is known
}

// hear takes what events said that they changed, and reports whether that was news. The order in which they come does not matter.
func (d *pullDoc) hear(changes []work.Change, now time.Time) bool {
	news := false
	for _, c := range changes {
		if c.At.After(d.Updated) {
			d.second = second{}
			if d.Head != "" { // else it was not there when relbot looked
				d.Before = map[string]string{"head": d.Head, "base": d.Base, "state": d.State}
			}
			d.Updated, d.Told, news = c.At, now, true
		}
		if c.At.Equal(d.Updated) && c.Of != "" && !slices.Contains(d.Changes, c) {
			d.Changes = append(slices.Clip(d.Changes), c)
			d.Told, news = now, true
		}
	}
	return news
}

// replaced reports whether a read of a pull request shows a value that was replaced in its second. A value that was set less often than replaced was.
// One that was set as often was as well, unless no value was set more often: then the field is again what it was before.
func (d pullDoc) replaced(f forge.Pull) bool {
	for of, value := range work.Changes(f) {
		sets, moved := map[string]int{}, false
		for _, c := range d.Changes {
			if c.Of == of && c.At.Equal(d.Updated) {
				sets[c.From]--
				sets[c.To]++
			}
		}
		for _, n := range sets {
			moved = moved || n > 0
		}
		n, mentioned := sets[value]
		_, known := sets[d.Before[of]]
		if mentioned && (n < 0 || n == 0 && (moved || known && value != d.Before[of])) {
			return true
		}
	}
	return false
}

// refDoc is what an event told of a branch or a tag.
type refDoc struct {
	Ref    string    `json:"ref"` // refs/heads/main
	Gone   bool      `json:"gone,omitempty"`
	After  string    `json:"after,omitempty"`  // the object at which it points; "" when that is not known
	Before []string  `json:"before,omitempty"` // the objects that it pointed at before, as far as is known
	At     time.Time `json:"at"`
}

// lags reports whether a survey tells an older state of a branch or a tag. Only refs that were asked for can be missing.
func (d refDoc) lags(s forge.Survey, asked forge.SurveyRequest) bool {
	var at string
	if name, is := strings.CutPrefix(d.Ref, "refs/tags/"); is {
		if asked.NoTags || !s.Tags.Known() {
			return false
		}
		if i := slices.IndexFunc(s.Tags.Value, func(t release.Tag) bool { return t.Name == name }); i >= 0 {
			at = cmp.Or(s.Tags.Value[i].Object, s.Tags.Value[i].Commit) // events name the tag object of an annotated tag
		}
	} else if name := strings.TrimPrefix(d.Ref, "refs/heads/"); name == s.Default {
		at = s.Tip
	} else if s.Branches.Known() && wants(asked, name) {
		at = s.Branches.Value[name]
	} else {
		return false
	}
	if at == "" {
		return !d.Gone
	}
	return d.Gone || slices.Contains(d.Before, at)
}

// then is what is to be expected of a ref after one more event of it, which may be an older one.
func (d refDoc) then(said work.RefPayload, now time.Time) refDoc {
	made := !said.Gone && said.After == "" // the event does not tell where
	switch {
	case made && d.Gone:
		d.Before, d.After = nil, ""
	case made:
	case said.After != "" && said.Before != d.After && slices.Contains(d.Before, said.After): // older
	default:
		d.After = said.After
	}
	d.Gone, d.At = said.Gone, now
	d.Before = slices.DeleteFunc(append(slices.Clone(d.Before), said.Before), func(c string) bool { return c == "" || c == d.After })
	slices.Sort(d.Before)
	d.Before = slices.Compact(d.Before)
	return d
}

// wants reports whether a survey asks for a branch.
func wants(q forge.SurveyRequest, branch string) bool {
	return slices.Contains(q.Branches, branch) || slices.ContainsFunc(q.Prefixes, func(p string) bool { return strings.HasPrefix(branch, p) })
}

// read reads pull requests and repositories. What lags is unknown; where nothing else failed the error is then a [lagError], to be tried again.
func (r *Reconciler) read(ctx context.Context, q forge.Reading) (map[coupling.Repo]versionscan.Fact[forge.Survey], map[coupling.Pull]versionscan.Fact[forge.Pull], error) {
	surveys, pulls, failed := r.GitHub.Read(ctx, q)
	lag := &lagError{}
	for p, fact := range pulls {
		if old, err := r.pullLags(ctx, p, fact); err != nil {
			return surveys, pulls, err
		} else if old {
			pulls[p] = versionscan.NotKnown[forge.Pull](lag.Error())
			lag.pulls = append(lag.pulls, p)
		}
	}
	for _, asked := range q.Surveys {
		fact := surveys[asked.Repo]
		if !fact.Known() {
			continue
		}
		if old, err := r.repoLags(ctx, asked, fact.Value); err != nil {
			return surveys, pulls, err
		} else if old {
			surveys[asked.Repo] = versionscan.NotKnown[forge.Survey](lag.Error())
			lag.repos = append(lag.repos, asked.Repo)
		}
	}
	if failed == nil && len(lag.pulls)+len(lag.repos) > 0 {
		failed = &forge.RetryError{Err: lag}
	}
	return surveys, pulls, failed
}

func (r *Reconciler) pullLags(ctx context.Context, p coupling.Pull, fact versionscan.Fact[forge.Pull]) (bool, error) {
	var d pullDoc
	if _, err := r.load(ctx, docPull, p.String(), &d); err != nil || !d.lags(fact) {
		return false, err
	}
	if r.Now().Sub(d.Told) < lagLimit {
		return true, nil
	}
	_, err := update(ctx, r, docPull, p.String(), func(d *pullDoc) ([]store.Work, bool) {
		if !d.lags(fact) {
			return nil, false
		}
		d.Told = time.Time{}
		r.believes(p.String())
		return nil, true
	})
	return false, err
}

func (r *Reconciler) repoLags(ctx context.Context, asked forge.SurveyRequest, s forge.Survey) (bool, error) {
	var d repoDoc
	if _, err := r.load(ctx, docRepo, string(asked.Repo), &d); err != nil {
		return false, err
	}
	var over []string // those that lag for too long
	for _, ref := range d.Told {
		switch {
		case !ref.lags(s, asked):
		case r.Now().Sub(ref.At) < lagLimit:
			return true, nil
		default:
			over = append(over, ref.Ref)
		}
	}
	if len(over) == 0 {
		return false, nil
	}
	_, err := update(ctx, r, docRepo, string(asked.Repo), func(d *repoDoc) ([]store.Work, bool) {
		n := len(d.Told)
		d.Told = slices.DeleteFunc(slices.Clone(d.Told), func(t refDoc) bool { return slices.Contains(over, t.Ref) && r.Now().Sub(t.At) >= lagLimit })
		return nil, len(d.Told) < n
	})
	r.believes(fmt.Sprint(asked.Repo, " ", over))
	return false, err
}

// believes logs that a read counts though it tells an older state than an event did.
func (r *Reconciler) believes(what string) {
	r.Log.Warn("GitHub still tells the state before an event: it counts now", "of", what, "after", lagLimit)
}

// expect remembers what events said of a pull request before it is read.
func (r *Reconciler) expect(ctx context.Context, p coupling.Pull, changes []work.Change) error {
	_, err := update(ctx, r, docPull, p.String(), func(d *pullDoc) ([]store.Work, bool) { return nil, d.hear(changes, r.Now()) })
	return err
}

// ref remembers what an event told of a branch or a tag, and has its repository read where something depends on it.
func (r *Reconciler) ref(ctx context.Context, c store.Claimed) error {
	repo, ref := work.RefOf(c.Work)
	name := string(repo)
	var d repoDoc
	rev, err := r.load(ctx, docRepo, name, &d)
	if err != nil {
		return err
	}
	if rev == 0 || d.Gone {
		return r.Store.Enqueue(ctx, work.Install())
	}
	branch, isBranch := strings.CutPrefix(ref, "refs/heads/")
	if isBranch && d.Fingerprint != "" && !wants(r.request(d, d.rules()), branch) {
		return nil
	}
	all := work.Trail[work.RefPayload](c.Work) // without any nothing is known but that the ref moved
	_, err = update(ctx, r, docRepo, name, func(d *repoDoc) ([]store.Work, bool) {
		told := refDoc{Ref: ref}
		if i := slices.IndexFunc(d.Told, func(t refDoc) bool { return t.Ref == ref && r.Now().Sub(t.At) < lagLimit }); i >= 0 {
			told = d.Told[i] // of several pushes the read may lack more than the last
		} else if isBranch && branch == d.Default && !slices.ContainsFunc(all, func(said work.RefPayload) bool { return said.After == d.Tip }) {
			told.Before = []string{d.Tip}
		}
		for _, said := range all {
			told = told.then(said, r.Now())
		}
		d.Told = slices.DeleteFunc(slices.Clone(d.Told), func(t refDoc) bool { return t.Ref == ref || r.Now().Sub(t.At) >= lagLimit })
		d.Told = append(d.Told, told)
		return []store.Work{work.Repo(d.Name)}, true
	})
	return err
}

// lagging reports whether an error says that reads lag, and what.
func lagging(err error) (*lagError, bool) {
	var lag *lagError
	return lag, errors.As(err, &lag)
}

// notYet turns a refusal to know a pull request that was opened or changed a moment ago into an error to try again.
func (r *Reconciler) notYet(d pullDoc, err error) error {
	if errors.Is(err, forge.ErrGone) && r.Now().Sub(d.Told) < lagLimit {
		return &forge.RetryError{Err: errors.New(err.Error())} // no refusal any more, after which nothing would be tried
	}
	return err
}
