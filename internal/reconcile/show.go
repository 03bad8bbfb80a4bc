package reconcile

import (
	"context"
	"slices"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// show publishes what is remembered of a pull request: its check, then as work behind it its note. The check goes first, since it
// is what blocks.
func (r *Reconciler) show(ctx context.Context, c store.Claimed) error {
	s, err := r.shown(ctx, c.Work)
	if err != nil {
		return err
	}
	return r.bring(ctx, s)
}

// bring publishes the check of a pull request, and queues its note.
func (r *Reconciler) bring(ctx context.Context, s remembered) error {
	if s.pull.IsZero() {
		return nil
	}
	// A coupling may have read the pull request before it got its head, or was closed, and noted only then that it is its member: nothing but this
	// calls for it again.
	var behind []store.Work
	for _, j := range s.judgements {
		if head, was := j.Heads[s.pull.String()]; was && (head != s.seen.Head || s.seen.State != "open") {
			behind = append(behind, work.Coupling(j.Coupling.Key()))
		}
	}
	if err := r.Store.Enqueue(ctx, behind...); err != nil {
		return err
	}
	if s.seen.State == "open" && s.seen.Head != "" {
		shown := s
		shown.said.Verify = s.said.Verify || s.seen.Returned || r.settling(s.repo)
		if err := r.notYet(s.seen, r.showCheck(ctx, shown, len(behind) > 0)); err != nil {
			return err
		}
	}
	if s.seen.Head == "" {
		return nil // there is no such pull request
	}
	if len(s.judgements) == 0 && !s.said.Verify {
		if noted, err := r.Publish.Noted(ctx, s.pull); err != nil || !noted.Live() {
			return err
		}
	}
	// Notes are a work of their own, so that those who wait for GitHub's limit keep no check waiting.
	return r.Store.Enqueue(ctx, work.Tell(s.pull, s.said.Verify, r.Now())) // after all that is due already
}

// tell publishes the note on a pull request.
func (r *Reconciler) tell(ctx context.Context, c store.Claimed) error {
	s, err := r.shown(ctx, c.Work)
	if err != nil || s.pull.IsZero() || s.deaf {
		return err
	}
	if len(s.judgements) > 0 {
		s.said.Verify = s.said.Verify || r.settling(s.repo)
	}
	return r.notYet(s.seen, r.showNote(ctx, s.pull, s.repo, s.seen, s.judgements, s.said))
}

// remembered is what is remembered of a pull request.
type remembered struct {
	pull       coupling.Pull
	said       work.ShowPayload
	seen       memory.Pull
	repo       memory.Repo
	judgements []memory.Judgement
	deaf       bool // what is said of it cannot be read, and has to be: its note is left as it is
}

// unknown says of a pull request that what its couplings say is not known: an unknown never passes.
func (s *remembered) unknown(why string) {
	v := rules.Verdict{Pull: s.pull, Level: rules.Unknown, Reasons: []rules.Reason{rules.Unreadable(s.pull, why)}}
	if s.seen.Extra != nil {
		v = rules.Combine(s.pull, v, *s.seen.Extra)
	}
	s.seen.Extra = &v
}

// shown loads what is to be shown of a pull request; the zero value when it is nothing.
func (r *Reconciler) shown(ctx context.Context, w store.Work) (remembered, error) {
	p, ok := work.PullOf(w)
	if !ok {
		return remembered{}, nil
	}
	s := remembered{pull: p, said: work.Payload[work.ShowPayload](w)}
	var known bool
	var err error
	if s.seen, known, err = r.Memory.Pulls.Find(ctx, p); err != nil {
		return s, err
	} else if !known { // a member that no event has told of yet
		return remembered{}, r.Store.Enqueue(ctx, work.Pull(p))
	}
	if s.repo, err = r.Memory.Repos.Load(ctx, p.Repo); err != nil {
		return s, err
	}
	return r.judged(ctx, w, s)
}

// judged adds what the couplings of a pull request say of it; the zero value when nothing is to be shown, or not yet.
func (r *Reconciler) judged(ctx context.Context, w store.Work, s remembered) (remembered, error) {
	if s.repo.Gone || s.repo.Archived || s.repo.Name == "" {
		return remembered{}, nil
	}
	homes := append([]coupling.Repo{s.pull.Repo}, s.repo.Rules().Trust...)
	if complete, err := r.await(ctx, memory.Restored, []store.Claimed{{Work: w}}, homes...); err != nil {
		return remembered{}, err
	} else if !complete {
		deaf, err := r.unheard(ctx, s.pull.Repo)
		if err != nil || deaf == "" {
			return remembered{}, err
		}
		s.deaf = true
		s.unknown("what was said in " + string(deaf) + " cannot be read")
		return s, nil
	}
	if err := r.unjudged(ctx, s.pull, homes...); err != nil {
		if r.settling(s.repo) || !transient(err) {
			return remembered{}, err
		}
		s.unknown(err.Error())
	}
	var err error
	s.judgements, err = r.judgementsOf(ctx, s.pull)
	return s, err
}

// verdictOf is all that is to be said of one pull request.
func verdictOf(p coupling.Pull, seen memory.Pull, js []memory.Judgement) rules.Verdict {
	verdict := rules.Uncoupled(p)
	if len(js) > 0 {
		verdict = combined(p, js)
	}
	if seen.Extra != nil {
		verdict = rules.Combine(p, verdict, *seen.Extra)
	}
	return verdict
}

// outage reports whether a judgement was made while GitHub did not answer.
func outage(js []memory.Judgement) bool {
	return slices.ContainsFunc(js, func(j memory.Judgement) bool { return !j.Outage.IsZero() })
}

func judgements(js []memory.Judgement) []rules.Judgement {
	out := make([]rules.Judgement, len(js))
	for i, j := range js {
		out[i] = j.Judgement
	}
	return out
}

// expire shows a pull request again when the patience with an unknown verdict is over.
func (r *Reconciler) expire(ctx context.Context, c store.Claimed) error {
	p, ok := work.PullOf(c.Work)
	if !ok {
		return nil
	}
	return r.Store.Enqueue(ctx, work.Show(p, false))
}

// showNote brings the coordination note into line. A pull request that is in no coupling has none; one that left its
// coupling gets a last word.
func (r *Reconciler) showNote(ctx context.Context, p coupling.Pull, repo memory.Repo, seen memory.Pull, js []memory.Judgement, said work.ShowPayload) error {
	if len(js) == 0 {
		noted, err := r.Publish.Noted(ctx, p)
		if err != nil || noted.ID == 0 && !said.Verify || noted.Closed {
			return err
		}
		return r.Publish.Note(ctx, p, note.Farewell(p), publish.NoteOptions{Picture: "", Verify: said.Verify, Last: true})
	}
	js, err := r.together(ctx, js)
	if err != nil {
		return err
	}
	in := noteOf(p, repo, js)
	if said.Verify && slices.ContainsFunc(js, func(j memory.Judgement) bool { return len(j.Lately) == 0 }) {
		found, err := r.recall(ctx, p, js)
		if err != nil {
			return err
		}
		in.Lately = note.Join(found, in.Lately)
	}
	if in.Page, err = r.page(ctx, p, repo.Private); err != nil {
		return err
	}
	return r.Publish.Note(ctx, p, note.Note(in), publish.NoteOptions{Picture: note.Picture(in.Judgements), Verify: said.Verify})
}

// recall reads from the note that stands on a pull request what changed lately, where relbot has lost its memory of that.
func (r *Reconciler) recall(ctx context.Context, p coupling.Pull, js []memory.Judgement) ([]note.Change, error) {
	standing, err := r.Publish.Standing(ctx, p)
	if err != nil {
		return nil, err
	}
	found := note.LatelyOf(standing)
	if len(found) == 0 || len(js) > 1 { // of several couplings it cannot be told apart: the other members know it
		return found, nil
	}
	_, err = r.Memory.Judgements.Update(ctx, js[0].Coupling.Key(), func(d *memory.Judgement) ([]store.Work, bool) {
		if len(d.Lately) > 0 {
			return nil, false
		}
		for _, c := range found {
			d.Lately = append(d.Lately, memory.Change{At: c.At, Text: c.Text})
		}
		return nil, true
	})
	return found, err
}

// alarm tells of an alarm in a comment on one pull request, once.
func (r *Reconciler) alarm(ctx context.Context, c store.Claimed) error {
	p, id, ok := work.AlarmOf(c.Work)
	if !ok {
		return nil
	}
	j, err := r.Memory.Judgements.Load(ctx, work.Payload[work.AlarmPayload](c.Work).Coupling)
	if err != nil {
		return err
	}
	repo, err := r.Memory.Repos.Load(ctx, p.Repo)
	if err != nil {
		return err
	}
	if trusted, err := r.trusts(ctx, repo, j.Coupling.Home); err != nil || !trusted {
		return err
	}
	for _, a := range j.Alarms {
		if alarmID(a) == id {
			// Whether it was told of before may be forgotten.
			return r.Publish.Once(ctx, p, toldOf(c.Key), note.ReplyMarker("alarm "+id), note.Alarm(a, j.Judgement, p, "alarm "+id), true)
		}
	}
	return nil // mended meanwhile
}

// toldOf is under which it is remembered that an alarm was told of; key is that of its work.
func toldOf(key string) string { return "alarm " + key }

// together shows each member with what all of its couplings say of it: one that may merge for this coupling may have to wait for another. A
// coupling with a private member elsewhere keeps what it says to its own notes.
func (r *Reconciler) together(ctx context.Context, js []memory.Judgement) ([]memory.Judgement, error) {
	out, loaded := slices.Clone(js), map[coupling.Key]memory.Judgement{}
	for _, j := range js {
		loaded[j.Coupling.Key()] = j
	}
	for i, j := range js {
		out[i].Members = slices.Clone(j.Members)
		for k, m := range j.Members {
			all, err := r.judgementsWith(ctx, m.Pull, loaded)
			if err != nil {
				return nil, err
			}
			all = slices.DeleteFunc(all, func(o memory.Judgement) bool {
				return o.Coupling.Key() != j.Coupling.Key() && slices.ContainsFunc(o.Members, func(m rules.MemberState) bool { return m.Private })
			})
			if len(all) > 1 {
				out[i].Members[k].Verdict = combined(m.Pull, all)
			}
		}
	}
	return out, nil
}
