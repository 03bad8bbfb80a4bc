package history

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/versionscan"
)

// Change is a merged pull request.
type Change struct {
	Merge    string // commit
	Number   int
	Title    string
	MergedAt time.Time
	Tip      string // of the branch it was merged into
}

// Revert is a change taken back.
type Revert struct {
	Commit string
	Number int // of the pull request that did it; 0 where there was none
}

// Carriers say which tags (by name) and release lines (by branch) have a change, and by which method that was found: ancestry, else an
// equivalent pick told by its trailer, its number or its patch. What was taken back before a tag is not in the tag, however much its
// commit is.
func (a *Asker) Carriers(ctx context.Context, c Change, tags []versionscan.Tag, lines map[string]string) (byTag, byLine map[string]versionscan.Fact[string]) {
	revs := []string{c.Tip}
	for _, t := range tags {
		revs = append(revs, t.Commit)
	}
	for _, commit := range lines {
		revs = append(revs, commit)
	}
	slices.Sort(revs)
	in := a.contains(ctx, c.Merge, slices.Compact(revs))
	taken := a.takenBack(ctx, c, in, tags, lines)
	origin := a.origin(ctx, c, in)
	byTag, byLine = map[string]versionscan.Fact[string]{}, map[string]versionscan.Fact[string]{}
	for _, t := range tags {
		byTag[t.Name] = a.carries(ctx, c, t.Commit, t.Date, in(t.Commit), taken, origin)
	}
	for branch, commit := range lines {
		byLine[branch] = a.carries(ctx, c, commit, time.Time{}, in(commit), taken, origin)
	}
	return byTag, byLine
}

// OnBase says whether a change is on the branch that it was merged into.
func (a *Asker) OnBase(ctx context.Context, c Change) versionscan.Fact[bool] {
	return a.contains(ctx, c.Merge, []string{c.Tip})(c.Tip)
}

// contains asks once, and answers for each revision.
func (a *Asker) contains(ctx context.Context, commit string, revs []string) func(rev string) versionscan.Fact[bool] {
	found, err := a.Source.Contains(ctx, a.Repo, commit, revs)
	a.failed(err)
	return func(rev string) versionscan.Fact[bool] {
		if f, ok := found[rev]; ok {
			return f
		}
		return versionscan.NotKnown[bool](because(err))
	}
}

// carries says whether a revision has a change.
func (a *Asker) carries(ctx context.Context, c Change, rev string, date time.Time, ancestor versionscan.Fact[bool], taken, origin func(string) versionscan.Fact[bool]) versionscan.Fact[string] {
	switch {
	case !ancestor.Known():
		return versionscan.NotKnown[string](ancestor.Why)
	case ancestor.Value:
		switch t := taken(rev); {
		case t.Unknown():
			return versionscan.NotKnown[string](t.Why)
		case t.Value:
			return versionscan.None[string]("it was taken back before")
		}
		return versionscan.Know("ancestry")
	}
	switch o := origin(rev); {
	case o.Unknown():
		return versionscan.NotKnown[string](o.Why)
	case o.Value:
		return versionscan.Know(byTrailer)
	case !date.IsZero() && date.Add(24*time.Hour).Before(c.MergedAt):
		return versionscan.None[string]("older than the change") // no pick is older than what it picks
	}
	ahead, err := a.Source.Compare(ctx, a.Repo, c.Merge, rev)
	a.failed(err)
	if !ahead.Known() {
		return versionscan.NotKnown[string](ahead.Why)
	}
	return a.picked(ctx, c, ahead.Value.Commits)
}

// The methods by which an equivalent pick is found.
const (
	byTrailer = "cherry-pick trailer"
	byNumber  = "pull request number"
	byPatch   = "patch-id"
)

// picked looks for a pick of a change among commits, oldest first, and whether a later one takes it back.
func (a *Asker) picked(ctx context.Context, c Change, commits []forge.Commit) versionscan.Fact[string] {
	method, sha := "", ""
	for _, o := range commits {
		switch {
		case method != "" && takesBack(o, sha, 0, ""):
			method, sha = "", ""
		case picks(o, c.Merge):
			method, sha = byTrailer, o.SHA
		case !strings.HasPrefix(o.Message, "Revert ") && c.Number != 0 && strings.Contains(subject(o), fmt.Sprintf("(#%d)", c.Number)):
			method, sha = byNumber, o.SHA
		}
	}
	if method != "" {
		return versionscan.Know(method)
	}
	return a.samePatch(ctx, c, commits)
}

func subject(c forge.Commit) string {
	s, _, _ := strings.Cut(c.Message, "\n")
	return strings.TrimSpace(s)
}

var trailer = regexp.MustCompile(`\(cherry picked from commit ([0-9a-f]{7,40})\)`)

// picks reports whether a commit says that it is a pick of another.
func picks(c forge.Commit, sha string) bool {
	for _, m := range trailer.FindAllStringSubmatch(c.Message, -1) {
		if strings.HasPrefix(sha, m[1]) {
			return true
		}
	}
	return false
}

// samePatch looks for a pick without any trace in its message: a commit that was written at the same moment or has the same subject, both of
// which a pick keeps, and changes the same lines.
func (a *Asker) samePatch(ctx context.Context, c Change, commits []forge.Commit) versionscan.Fact[string] {
	none := versionscan.None[string]("no pick of it")
	if len(commits) == 0 {
		return none
	}
	own, err := a.Source.Log(ctx, a.Repo, c.Merge, time.Unix(0, 0), 1)
	a.failed(err)
	if !own.Known() || len(own.Value) == 0 {
		return versionscan.NotKnown[string](cmp.Or(own.Why, "its own commit was not read"))
	}
	self := own.Value[0]
	titles := []string{bare(subject(self)), bare(c.Title)}
	for _, o := range commits {
		alike := !self.Authored.IsZero() && o.Authored.Equal(self.Authored) && o.Author == self.Author || slices.Contains(titles, bare(subject(o)))
		if !alike || o.SHA == self.SHA {
			continue
		}
		mine, theirs := a.patch(ctx, c.Merge), a.patch(ctx, o.SHA)
		switch {
		case !mine.Known():
			return versionscan.NotKnown[string](mine.Why)
		case !theirs.Known():
			return versionscan.NotKnown[string](theirs.Why)
		case mine.Value != "" && mine.Value == theirs.Value:
			for _, later := range commits[slices.IndexFunc(commits, func(x forge.Commit) bool { return x.SHA == o.SHA }):] {
				if takesBack(later, o.SHA, 0, "") {
					return versionscan.None[string]("its pick was taken back")
				}
			}
			return versionscan.Know(byPatch)
		}
	}
	return none
}

var numberSuffix = regexp.MustCompile(`\s*\(#\d+\)$`)

// bare is a subject without the number that a squash puts behind it.
func bare(subject string) string { return numberSuffix.ReplaceAllString(subject, "") }

func (a *Asker) patch(ctx context.Context, commit string) versionscan.Fact[string] {
	d, err := a.Source.Diff(ctx, a.Repo, commit)
	a.failed(err)
	if !d.Known() {
		return versionscan.NotKnown[string](d.Why)
	}
	return versionscan.Know(patchID(d.Value))
}

// origin says of a revision whether it has the commit of which a change itself is a pick, as when a fix was made on a release line first.
func (a *Asker) origin(ctx context.Context, c Change, in func(string) versionscan.Fact[bool]) func(string) versionscan.Fact[bool] {
	none := func(string) versionscan.Fact[bool] { return versionscan.Know(false) }
	log := a.log(ctx, c)
	i := slices.IndexFunc(log.Value, func(o forge.Commit) bool { return o.SHA == c.Merge })
	if i < 0 {
		return none
	}
	m := trailer.FindStringSubmatch(log.Value[i].Message)
	if m == nil || len(m[1]) < 40 {
		return none
	}
	asked := map[string]versionscan.Fact[bool]{}
	return func(rev string) versionscan.Fact[bool] {
		if _, ok := asked[rev]; !ok {
			asked[rev] = a.contains(ctx, m[1], []string{rev})(rev)
		}
		return asked[rev]
	}
}

// log lists the commits of the branch that a change was merged into, since the day of the merge; changes of a day share one read.
func (a *Asker) log(ctx context.Context, c Change) versionscan.Fact[[]forge.Commit] {
	return a.logOf(ctx, c.Tip, c.MergedAt)
}

func (a *Asker) logOf(ctx context.Context, tip string, since time.Time) versionscan.Fact[[]forge.Commit] {
	since = since.Add(-time.Minute).UTC().Truncate(24 * time.Hour)
	key := tip + since.String()
	if log, ok := a.logs[key]; ok {
		return log
	}
	log, err := a.Source.Log(ctx, a.Repo, tip, since, maxLog)
	a.failed(err)
	if !log.Known() && log.Why == "" {
		log.Why = because(err)
	}
	if a.logs == nil {
		a.logs = map[string]versionscan.Fact[[]forge.Commit]{}
	}
	a.logs[key] = log
	return log
}

// maxLog bounds how far back a revert is looked for.
const maxLog = 2000

// turn is a commit that takes a change back or, every second one, brings it in again.
type turn struct {
	forge.Commit
	number int
}

// turns follows a change through reverts and reverts of reverts among commits, newest first.
func turns(c Change, commits []forge.Commit) []turn {
	var out []turn
	sha, number, title := c.Merge, c.Number, c.Title
	for _, o := range slices.Backward(commits) {
		if o.SHA == c.Merge || !takesBack(o, sha, number, title) {
			continue
		}
		t := turn{o, PullOf(o)}
		out = append(out, t)
		sha, number = o.SHA, t.number
		title = strings.TrimSpace(strings.TrimSuffix(subject(o), fmt.Sprintf("(#%d)", number)))
	}
	return out
}

// Reverted finds the commit that took a change back on its branch, unless it was brought in again.
func (a *Asker) Reverted(ctx context.Context, c Change) versionscan.Fact[Revert] {
	log := a.log(ctx, c)
	if !log.Known() {
		return versionscan.NotKnown[Revert](log.Why)
	}
	switch all := turns(c, log.Value); {
	case len(all) == 0:
		return versionscan.None[Revert]("no commit takes it back")
	case len(all)%2 == 0:
		return versionscan.None[Revert]("the revert was reverted")
	default:
		last := all[len(all)-1]
		return versionscan.Know(Revert{last.SHA, last.number})
	}
}

// takenBack says of a revision that contains a change whether it also contains the last word against it. Reverts are looked for on the
// change's branch and on each line that has it.
func (a *Asker) takenBack(ctx context.Context, c Change, in func(string) versionscan.Fact[bool], tags []versionscan.Tag, lines map[string]string) func(string) versionscan.Fact[bool] {
	var revs []string
	have := func(rev string) {
		if f := in(rev); f.Known() && f.Value {
			revs = append(revs, rev)
		}
	}
	tips := []string{c.Tip}
	for _, commit := range lines {
		if f := in(commit); f.Known() && f.Value {
			tips = append(tips, commit)
		}
		have(commit)
	}
	for _, t := range tags {
		have(t.Commit)
	}
	slices.Sort(revs)
	revs = slices.Compact(revs)
	slices.Sort(tips)
	most, back, unknown := map[string]int{}, map[string]bool{}, map[string]string{}
	why := ""
	for _, tip := range slices.Compact(tips) {
		log := a.logOf(ctx, tip, c.MergedAt)
		if !log.Known() {
			why = log.Why
			continue
		}
		contained := map[string]int{}
		for _, t := range turns(c, log.Value) {
			has := a.contains(ctx, t.SHA, revs)
			for _, rev := range revs {
				switch f := has(rev); {
				case f.Unknown():
					unknown[rev] = f.Why
				case f.Value:
					contained[rev]++
				}
			}
		}
		for rev, n := range contained {
			if n > most[rev] {
				most[rev], back[rev] = n, n%2 == 1
			}
		}
	}
	return func(rev string) versionscan.Fact[bool] {
		if because := cmp.Or(unknown[rev], why); because != "" {
			return versionscan.NotKnown[bool](because)
		}
		return versionscan.Know(back[rev])
	}
}

var revertsPull = regexp.MustCompile(`(?im)^reverts? (?:[\w.-]+/[\w.-]+)?#(\d+)\b`)

// takesBack reports whether a commit takes back another: by git's own words, by naming the pull request, or by quoting
// its subject.
func takesBack(c forge.Commit, sha string, number int, title string) bool {
	if sha != "" && strings.Contains(c.Message, "This reverts commit "+sha) {
		return true
	}
	if number == 0 {
		return false
	}
	if quoted, ok := strings.CutPrefix(subject(c), `Revert "`); ok {
		if i := strings.LastIndexByte(quoted, '"'); i >= 0 {
			quoted = quoted[:i]
		}
		if strings.HasSuffix(quoted, fmt.Sprintf("(#%d)", number)) || title != "" && quoted == title {
			return true
		}
	}
	for _, m := range revertsPull.FindAllStringSubmatch(c.Message, -1) {
		if m[1] == fmt.Sprint(number) {
			return true
		}
	}
	return false
}

var subjectPull = regexp.MustCompile(`\(#(\d+)\)$|^Merge pull request #(\d+) `)

// PullOf is the pull request that a commit came from: the number in its subject, else what GitHub associates.
func PullOf(c forge.Commit) int {
	if m := subjectPull.FindStringSubmatch(subject(c)); m != nil {
		var n int
		fmt.Sscan(m[1]+m[2], &n)
		return n
	}
	if len(c.Pulls) > 0 {
		return c.Pulls[0]
	}
	return 0
}

// before is how long before a pull request was closed the commit that landed it may be.
const before = 14 * 24 * time.Hour

var namesIt = regexp.MustCompile(`(?i)\b(?:pull request|pull-request|PR|closes|pull)[ :/#]+#?(\d+)\b`)

// Named finds a commit of a branch that says that it is a pull request's change, from some time before that was closed.
func (a *Asker) Named(ctx context.Context, tip string, number int, closed time.Time) (forge.Commit, bool) {
	for _, c := range a.logOf(ctx, tip, closed.Add(-before)).Value {
		if strings.HasPrefix(c.Message, "Revert ") {
			continue
		}
		if PullOf(c) == number {
			return c, true
		}
		for _, m := range namesIt.FindAllStringSubmatch(c.Message, -1) {
			if m[1] == fmt.Sprint(number) {
				return c, true
			}
		}
	}
	return forge.Commit{}, false
}

// Merged finds the commit by which a pull request came into a log, newest first, by the number in its subject.
func Merged(commits []forge.Commit, number int) (forge.Commit, bool) {
	for _, c := range commits {
		if PullOf(c) == number && !strings.HasPrefix(c.Message, "Revert ") {
			return c, true
		}
	}
	return forge.Commit{}, false
}
