package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/budget"
	"github.com/relbot/relbot/internal/command"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/job"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// overridable are the codes that an override may name: those that keep something from merging, but never what is unknown.
var overridable = func() []string {
	var out []string
	for _, c := range note.Codes() {
		if strings.Contains(c.Verdict, string(rules.Block)) || strings.Contains(c.Verdict, string(rules.Wait)) {
			out = append(out, string(c.Code))
		}
	}
	return out
}()

// session is one comment under execution.
type session struct {
	r       *Reconciler
	pull    coupling.Pull
	said    work.CommentPayload
	policy  rules.Policy
	replies []string
	refused bool
	asked   string // help and status, where they were asked for
	again   []store.Work
	roles   map[coupling.Repo]forge.Role // of the author, as asked for this comment
}

// comment executes the commands of one comment, each once, and acknowledges them. A line that fails does not stop the
// others. Rights are checked now, in every repository that a command touches.
func (r *Reconciler) comment(ctx context.Context, c store.Claimed) error {
	p, ok := work.CommentOf(c.Work)
	s := session{r: r, pull: p, said: work.Payload[work.CommentPayload](c.Work)}
	if !ok || s.said.ID == 0 {
		return nil
	}
	repo, err := r.Memory.Repos.Load(ctx, p.Repo)
	if err != nil || repo.Gone {
		return err
	}
	s.policy = repo.Rules()
	key := memory.CommentKey{Pull: p, ID: s.said.ID}
	d, ran, err := r.Memory.Comments.Find(ctx, key)
	if err != nil || d.Done && !s.said.Late {
		return err
	}
	if !ran || s.said.Late {
		done, err := s.before(ctx)
		if err != nil {
			return err
		}
		if d.Done = done; done {
			_, err := r.Memory.Comments.Update(ctx, key, func(kept *memory.Comment) ([]store.Work, bool) { *kept = d; return nil, true })
			return err
		}
		if err := s.execute(ctx, key, &d); err != nil {
			return err
		}
	}
	// It ran; what is left is to say so.
	if !d.Done {
		if err := s.say(ctx, d, r.settling(repo)); err != nil {
			return s.unsaid(ctx, err)
		}
	}
	_, err = r.Memory.Comments.Update(ctx, key, func(d *memory.Comment) ([]store.Work, bool) {
		done := d.Done
		d.Done = true
		return nil, !done
	})
	return err
}

// say answers a comment and then acknowledges it: the reaction says that it is done.
func (s *session) say(ctx context.Context, d memory.Comment, settling bool) error {
	if len(d.Replies) > 0 {
		key, id := s.key(), fmt.Sprint(s.said.ID)
		if d.Once != "" {
			id, key = d.Once, d.Once
		}
		if err := s.r.Publish.Once(ctx, s.pull, replyTo(s.pull.Repo, id), note.ReplyMarker(key), note.Reply(key, d.Replies), settling); err != nil {
			return err
		}
	}
	if d.Reaction == "" {
		return nil
	}
	return s.r.GitHub.React(ctx, s.pull.Repo, s.said.ID, d.Reaction)
}

// unheard is for how long relbot waits for the right to answer a comment.
const unheard = 7 * 24 * time.Hour

// unsaid says what to do when a comment could not be answered: one that is still there may be answered once relbot has the right to.
func (s *session) unsaid(ctx context.Context, err error) error {
	if !refused(err) || s.r.Now().Sub(s.said.Created) > unheard {
		return err
	}
	if _, gone := s.r.GitHub.Reactions(ctx, s.pull.Repo, s.said.ID); gone != nil {
		return gone
	}
	return &forge.RetryError{After: time.Hour, Err: errors.New(err.Error())} // no refusal any more, after which nothing would be tried
}

// execute runs the commands of a comment, and remembers what is to be said of it: a second run would meet another world.
func (s *session) execute(ctx context.Context, key memory.CommentKey, d *memory.Comment) error {
	language := command.Language{Codes: overridable}
	if strings.Contains(s.said.Body, "@") {
		slug, err := s.r.GitHub.Slug(ctx)
		if err != nil {
			return err
		}
		language.Slug = slug
	}
	commands, mistakes := language.Parse(s.said.Body)
	for i := range commands {
		commands[i] = commands[i].At(s.pull)
	}
	if s.said.Refused {
		said, err := s.answers(ctx)
		if err != nil {
			return err
		}
		commands = slices.DeleteFunc(commands, func(c command.Command) bool { return note.WasRefused(said, c) })
	}
	if s.said.Edited { // rights are not asked about again: only what blocks is believed
		commands = slices.DeleteFunc(commands, func(c command.Command) bool {
			_, holds := c.Action.(command.Hold)
			return !holds
		})
	}
	for _, cmd := range commands {
		if err := s.run(ctx, cmd); err != nil {
			return err
		}
	}
	wrong := slices.DeleteFunc(slices.Clone(mistakes), func(m command.Mistake) bool { return m.Stray })
	if len(wrong) > 0 {
		s.replies = append(s.replies, note.Mistakes(wrong))
		if slices.ContainsFunc(wrong, func(m command.Mistake) bool { return m.Code }) && !s.said.Replay {
			given, _, err := s.given(ctx)
			if err != nil {
				return err
			}
			s.replies = append(s.replies, note.Given(given))
		}
	}
	stranger := false
	if s.asked != "" && len(wrong) == 0 && !s.refused {
		role, err := s.role(ctx, s.pull.Repo)
		stranger = err != nil || !role.AtLeast(forge.RoleWrite)
	}
	switch {
	case len(s.replies) == 0 && len(mistakes) > 0: // lines that only look like commands: one answer a pull request will do
		d.Once = fmt.Sprint("stray ", s.pull.Number)
		s.replies = append(s.replies, note.Mistakes(mistakes))
	case stranger: // one answer of a kind an hour will do
		d.Once = fmt.Sprintf("answer %d %s %d%s", s.pull.Number, s.said.Author, s.said.Created.Unix()/3600, s.asked)
	}
	s.refused = s.refused || len(mistakes) > 0
	switch {
	case len(commands)+len(mistakes) == 0, s.said.Replay:
		d.Done = true
	case s.refused:
		d.Reaction = "confused"
	default:
		d.Reaction = "+1"
	}
	d.Replies = s.replies
	_, err := s.r.Memory.Comments.Update(ctx, key, func(kept *memory.Comment) ([]store.Work, bool) {
		*kept = *d
		return s.again, true
	})
	return err
}

// answers is what relbot replied to the comment before its database was lost.
func (s *session) answers(ctx context.Context) (string, error) {
	comments, err := s.r.GitHub.Comments(ctx, s.pull)
	if err != nil {
		return "", err
	}
	var said strings.Builder
	for _, c := range comments {
		if c.Own && strings.Contains(c.Body, note.ReplyMarker(s.key())) {
			said.WriteString(c.Body)
		}
	}
	return said.String(), nil
}

// before reports whether a comment that is so old that it may be forgotten was acknowledged.
func (s *session) before(ctx context.Context) (bool, error) {
	if s.said.Replay || s.r.Now().Sub(s.said.Created) < remembrance-retention {
		return false, nil
	}
	acks, err := s.r.GitHub.Reactions(ctx, s.pull.Repo, s.said.ID)
	return len(acks) > 0, err
}

// key marks the reply to the comment.
func (s *session) key() string { return fmt.Sprintf("comment %d", s.said.ID) }

// replyTo is under which it is remembered that a comment was replied to.
func replyTo(repo coupling.Repo, id string) string { return string(repo) + " comment " + id }

// comments executes the comments of a repository in the order in which they were written.
func (r *Reconciler) comments(ctx context.Context, claimed []store.Claimed) []job.Outcome {
	order := make([]int, len(claimed))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Compare(work.Payload[work.CommentPayload](claimed[a].Work).ID, work.Payload[work.CommentPayload](claimed[b].Work).ID)
	})
	out := make([]job.Outcome, len(claimed))
	for _, i := range order {
		out[i] = job.Outcome{Err: r.comment(ctx, claimed[i])}
	}
	return out
}

// refuse notes that a line was not carried out, and why.
func (s *session) refuse(cmd command.Command, why string) {
	s.refused = true
	s.replies = append(s.replies, note.Refused(cmd, why))
}

// run executes one command. An error means that it has to be tried again; a refusal is an answer.
func (s *session) run(ctx context.Context, cmd command.Command) error {
	switch a := cmd.Action.(type) {
	case command.Help:
		s.asked += " help"
		s.replies = append(s.replies, note.Help())
		return nil
	case command.Status:
		return s.status(ctx, cmd, a)
	case command.Recheck:
		s.again = append(s.again, work.Verify(s.pull))
		return nil
	case command.Override:
		return s.override(ctx, cmd, a)
	case command.CancelOverride:
		return s.cancelOverrides(ctx, cmd)
	}
	return s.change(ctx, cmd)
}

// status answers with the present verdicts.
func (s *session) status(ctx context.Context, cmd command.Command, a command.Status) error {
	p := s.pull
	if a.Of.Pull != "" {
		var err error
		if p, err = a.Of.In(s.pull.Repo); err != nil || p.Repo != s.pull.Repo {
			s.refuse(cmd, "relbot answers for pull requests of this repository alone: ask there")
			return nil
		}
	}
	s.asked += " status"
	js, err := s.r.judgementsOf(ctx, p)
	if err != nil {
		return err
	}
	verdict := rules.Uncoupled(p)
	if len(js) > 0 {
		verdict = combined(p, js)
	}
	s.replies = append(s.replies, note.StatusReply(p, verdict, judgements(js)))
	return nil
}

// given returns the codes that an override could lift on this pull request now, and whether that is known.
func (s *session) given(ctx context.Context) (codes []rules.Code, known bool, err error) {
	add := func(v rules.Verdict) {
		for _, code := range v.Codes() {
			if slices.Contains(overridable, string(code)) && !slices.Contains(codes, code) {
				codes = append(codes, code)
			}
		}
	}
	seen, known, err := s.r.Memory.Pulls.Find(ctx, s.pull)
	if err != nil {
		return nil, false, err
	}
	if seen.Extra != nil {
		add(*seen.Extra)
	}
	open := true // nothing is given for one that is closed
	found, own, err := s.r.find(ctx, s.pull, nil, "")
	if err != nil {
		return nil, false, err
	}
	for _, c := range found[:own] {
		j, err := s.r.judgedNow(ctx, c)
		if err != nil {
			return nil, false, err
		}
		if m, ok := j.Member(s.pull); ok {
			add(m.Verdict)
			open = open && (m.State == "open" || m.State == "draft")
		}
		kept, err := s.r.Memory.Judgements.Load(ctx, c.Key()) // what its check shows may be what the author of the command saw
		if err != nil {
			return nil, false, err
		}
		if m, ok := kept.Member(s.pull); ok {
			add(m.Verdict)
		}
	}
	return codes, known && open, nil
}

// judgedNow judges a coupling as it is at this moment, whatever is remembered of it.
func (r *Reconciler) judgedNow(ctx context.Context, c coupling.Coupling) (rules.Judgement, error) {
	g, s, err := r.gather(ctx, wanted{home: c.Home, couplings: []coupling.Coupling{c}})
	if err != nil {
		return rules.Judgement{}, err
	}
	if g.isOutage() {
		return rules.Judgement{}, g.outage
	}
	return rules.Evaluate(g.policy, s)[0], nil
}

// permitted checks the author's role in every repository, and refuses with the first that is too weak. What was acknowledged in full
// was checked when it was given.
func (s *session) permitted(ctx context.Context, cmd command.Command, repos []coupling.Repo) (bool, error) {
	return s.may(ctx, cmd, s.policy.Permissions.Role(string(cmd.Spec.Right)), repos)
}

// may is [session.permitted] for a role.
func (s *session) may(ctx context.Context, cmd command.Command, need string, repos []coupling.Repo) (bool, error) {
	if s.said.Replay && !s.said.Refused {
		return true, nil
	}
	for _, repo := range repos {
		role, err := s.role(ctx, repo)
		if err != nil && transient(err) {
			return false, err
		}
		if err != nil || !role.AtLeast(forge.Role(need)) {
			s.refuse(cmd, fmt.Sprintf("it needs the role %s in %s, and you have %s there", need, repo, cmpOr(string(role), "none")))
			return false, nil
		}
	}
	return true, nil
}

// role returns the author's role in a repository, as asked once for this comment.
func (s *session) role(ctx context.Context, repo coupling.Repo) (forge.Role, error) {
	if role, asked := s.roles[repo]; asked {
		return role, nil
	}
	role, err := s.r.GitHub.Permission(budget.With(ctx, budget.Demotions), repo, s.said.Author) // a hold must not wait for other people's checks
	if err == nil {
		if s.roles == nil {
			s.roles = map[coupling.Repo]forge.Role{}
		}
		s.roles[repo] = role
	}
	return role, err
}

// id names a command for ever: the same line of the same comment runs once.
func (s *session) id(cmd command.Command) string {
	return fmt.Sprintf("%s comment %d line %d", s.pull.Repo, s.said.ID, cmd.Line)
}

func (s *session) audit(ctx context.Context, cmd command.Command, action, head string) error {
	detail, _ := json.Marshal(map[string]string{"command": cmd.Raw, "head": head})
	_, err := s.r.Store.Log(ctx, store.Audit{
		At: s.r.Now(), Repo: string(s.pull.Repo), Pull: s.pull.Number, Actor: s.said.Author, Action: action,
		Detail: string(detail), Key: s.id(cmd),
	})
	return err
}

// override lifts a reason code for this pull request, bound to the head that it was given for.
func (s *session) override(ctx context.Context, cmd command.Command, a command.Override) error {
	head, ok, err := s.overridden(ctx, cmd)
	if err != nil || !ok {
		return err
	}
	if !s.said.Replay {
		given, known, err := s.given(ctx)
		if err != nil {
			return err
		}
		if known && !slices.Contains(given, rules.Code(a.Code)) {
			s.refuse(cmd, fmt.Sprintf("%s is no reason that is given for this pull request now, and an override lifts none in advance", a.Code))
			s.replies = append(s.replies, note.Given(given))
			return nil
		}
	}
	if s.said.Replay && a.Until == "push" {
		// It cannot be known any more for which commit it was given.
		return s.audit(ctx, cmd, "override lapsed with the database", head.Head)
	}
	seq := s.seq(cmd)
	_, err = s.r.Memory.Overrides.Update(ctx, s.pull, func(d *memory.Overrides) ([]store.Work, bool) {
		newer := func(q memory.Override) bool { return q.Code == rules.Code(a.Code) && q.Seq >= seq }
		if seq < d.Cancelled || slices.ContainsFunc(d.Overrides, newer) {
			return nil, false
		}
		o := memory.Override{
			Override: rules.Override{Pull: s.pull, Code: rules.Code(a.Code), By: s.said.Author, Why: a.Because, Until: a.Until},
			ID:       s.id(cmd), Seq: seq, Head: head.Head, Tree: head.Tree, At: s.r.Now(),
		}
		d.Overrides = append(slices.DeleteFunc(d.Overrides, func(q memory.Override) bool { return q.Code == o.Code }), o)
		return nil, true
	})
	if err != nil {
		return err
	}
	s.again = append(s.again, work.Pull(s.pull))
	return s.audit(ctx, cmd, cmd.Spec.Name, head.Head)
}

// cancelOverrides ends the overrides of this pull request that were given before the command.
func (s *session) cancelOverrides(ctx context.Context, cmd command.Command) error {
	head, ok, err := s.overridden(ctx, cmd)
	if err != nil || !ok {
		return err
	}
	seq := s.seq(cmd)
	_, err = s.r.Memory.Overrides.Update(ctx, s.pull, func(d *memory.Overrides) ([]store.Work, bool) {
		if seq <= d.Cancelled {
			return nil, false
		}
		d.Cancelled = seq
		d.Overrides = slices.DeleteFunc(d.Overrides, func(q memory.Override) bool { return q.Seq < seq })
		return nil, true
	})
	if err != nil {
		return err
	}
	s.again = append(s.again, work.Pull(s.pull))
	return s.audit(ctx, cmd, cmd.Spec.Name, head.Head)
}

// overridden reads the pull request whose overrides a command changes, and reports whether the command may.
func (s *session) overridden(ctx context.Context, cmd command.Command) (forge.Pull, bool, error) {
	if ok, err := s.permitted(ctx, cmd, []coupling.Repo{s.pull.Repo}); err != nil || !ok {
		return forge.Pull{}, false, err
	}
	facts, err := s.r.pulls(ctx, s.pull)
	if err != nil {
		return forge.Pull{}, false, err
	}
	f := facts[s.pull]
	if !f.Known() {
		s.refuse(cmd, "the pull request could not be read: "+f.Why)
	}
	return f.Value, f.Known(), nil
}

// seq orders commands of a pull request as they were given: ids of comments grow, whatever the order in which events come.
func (s *session) seq(cmd command.Command) int64 { return s.said.ID*1000 + int64(cmd.Line) }

// touched are the repositories in which a command on a coupling needs a role, given the pull requests that it names.
func (s *session) touched(cmd command.Command, c coupling.Coupling, pulls []coupling.Pull) []coupling.Repo {
	repos := append([]coupling.Repo{s.pull.Repo, c.Home}, reposOf(pulls)...)
	if cmd.Spec.Reach == command.Members {
		for _, m := range c.Members {
			repos = append(repos, m.Pull.Repo)
		}
	}
	slices.Sort(repos)
	return slices.Compact(repos)
}

// targets returns the couplings that a command may be about, of which the first own are those where it was said, and the keys of those that a run that
// was broken off has changed already. A command that makes a coupling has one target.
func (s *session) targets(ctx context.Context, cmd command.Command, change command.Change, pulls []coupling.Pull) (targets []coupling.Coupling, kept []coupling.Key, own int, err error) {
	name, makes := command.Makes(change)
	if targets, own, err = s.r.find(ctx, s.pull, pulls, name); err != nil {
		return nil, nil, 0, err
	}
	if kept, err = s.kept(ctx, cmd, targets); err != nil {
		return nil, nil, 0, err
	}
	if makes && len(targets) == 0 && len(kept) == 0 {
		targets = []coupling.Coupling{{Name: cmpOr(name, coupling.DefaultRole(pulls[0], s.pull.Repo)), Home: s.pull.Repo, SameRelease: true}}
	}
	if makes && len(targets) > 1 {
		targets = targets[:1]
	}
	return targets, kept, own, nil
}

// change executes a command that changes couplings.
func (s *session) change(ctx context.Context, cmd command.Command) error {
	if _, changes := cmd.Action.(command.Change); !changes {
		return fmt.Errorf("nothing carries out %q", cmd.Spec.Name)
	}
	// Other repositories are asked for nobody who may do nothing in this one.
	if named, _ := s.pulls(cmd); slices.ContainsFunc(named, func(p coupling.Pull) bool { return p.Repo != s.pull.Repo }) {
		if ok, err := s.permitted(ctx, cmd, []coupling.Repo{s.pull.Repo}); err != nil || !ok {
			return err
		}
	}
	cmd, err := s.present(ctx, cmd)
	if err != nil {
		return err
	}
	change := cmd.Action.(command.Change)
	pulls, err := s.pulls(cmd)
	if err != nil {
		s.refuse(cmd, err.Error())
		return nil
	}
	targets, kept, own, err := s.targets(ctx, cmd, change, pulls)
	if err != nil {
		return err
	}
	if len(targets) == 0 && len(kept) == 0 {
		s.refuse(cmd, fmt.Sprintf("%s is in no coupling", s.pull.In(s.pull.Repo)))
		return nil
	}
	var foreign error // the members that were named are none of some coupling's
	done := false
	for i, c := range targets {
		if done && i >= own {
			break // it fitted where it was said
		}
		if slices.Contains(kept, c.Key()) { // by a run that was broken off
			done = true
			s.again = append(s.again, work.Coupling(c.Key()))
			continue
		}
		repos := s.touched(cmd, c, pulls)
		if ok, err := s.permitted(ctx, cmd, repos); err != nil || !ok {
			return err
		}
		effects, err := change.Effects(command.Scope{At: s.pull, Coupling: c})
		if err != nil {
			foreign = errors.Join(foreign, err)
			continue
		}
		if missing, err := s.missing(ctx, effects); err != nil {
			return err
		} else if missing != "" {
			s.refuse(cmd, missing)
			return nil
		}
		done = true
		for i := range effects {
			e := &effects[i]
			e.ID, e.At, e.Seq, e.Line = s.id(cmd), s.said.Created.UnixMilli(), s.said.ID, cmd.Line
			e.Origin, e.By, e.Coupling = coupling.FromCommand, s.said.Author, c.Name
		}
		if ok, err := s.ends(ctx, cmd, c, effects[0], repos); err != nil || !ok {
			return err
		}
		refusal, err := s.r.apply(ctx, c, effects...)
		if err != nil {
			return err
		}
		if refusal != nil {
			s.refuse(cmd, note.RefusalText(refusal))
			return nil
		}
		s.tell(cmd, c, effects)
		s.again = append(s.again, work.Coupling(c.Key()))
	}
	if !done && len(kept) == 0 {
		s.refuse(cmd, strings.ReplaceAll(foreign.Error(), "\n", "; "))
		return nil
	}
	p, err := s.r.Memory.Pulls.Load(ctx, s.pull)
	if err != nil {
		return err
	}
	return s.audit(ctx, cmd, cmd.Spec.Name, p.Head)
}

// ends reports whether the author may carry out what takes a block away: ending a coupling of which an open member is blocked, taking out the
// member that is the reason of a block, and taking an end back.
func (s *session) ends(ctx context.Context, cmd command.Command, c coupling.Coupling, e coupling.Effect, repos []coupling.Repo) (bool, error) {
	var blocks func(m rules.MemberState, r rules.Reason) bool
	switch e.Verb {
	case coupling.Reopen:
	case coupling.Abandon, coupling.Supersede:
		blocks = func(rules.MemberState, rules.Reason) bool { return true }
	case coupling.Unlink, coupling.Replace:
		blocks = func(m rules.MemberState, r rules.Reason) bool {
			about := r.About == e.Pull || r.About.IsZero() && (m.Pull == e.Pull || slices.Contains(r.Pulls, e.Pull))
			return about && r.Code != rules.MemberClosed
		}
	default:
		return true, nil
	}
	if tried := c; s.said.Replay && !s.said.Refused || tried.Apply(e) != nil { // what cannot be is refused for that
		return true, nil
	}
	home, err := s.r.Memory.Repos.Load(ctx, c.Home)
	if err != nil {
		return false, err
	}
	need := home.Rules().Permissions.Ending(c.Origin == coupling.FromPolicy)
	if ok, err := s.able(ctx, need, repos); err != nil || ok {
		return ok, err
	}
	if blocks != nil {
		j, err := s.r.judgedNow(ctx, c)
		if err != nil {
			return false, err
		}
		blocked := slices.ContainsFunc(j.Members, func(m rules.MemberState) bool {
			return m.Verdict.Level == rules.Block && slices.ContainsFunc(m.Verdict.Reasons, func(r rules.Reason) bool { return blocks(m, r) })
		})
		if !blocked {
			return true, nil
		}
	}
	return s.may(ctx, cmd, need, repos)
}

// able reports whether the author has a role in all of some repositories.
func (s *session) able(ctx context.Context, need string, repos []coupling.Repo) (bool, error) {
	for _, repo := range repos {
		if role, err := s.role(ctx, repo); err != nil && transient(err) {
			return false, err
		} else if err != nil || !role.AtLeast(forge.Role(need)) {
			return false, nil
		}
	}
	return true, nil
}

// tell answers a change of which something else follows than its words say.
func (s *session) tell(cmd command.Command, c coupling.Coupling, effects []coupling.Effect) {
	if hold, is := cmd.Action.(command.Hold); is && hold.NoEnd && !slices.ContainsFunc(s.replies, func(r string) bool { return r == note.NoEnd }) {
		s.replies = append(s.replies, note.NoEnd)
	}
	if effects[0].Verb != coupling.Unlink {
		return
	}
	after := c
	for _, e := range effects {
		if after.Apply(e) != nil {
			return
		}
	}
	if kept := after.Since(c); len(kept) > 0 {
		s.replies = append(s.replies, note.Bridged(after, kept, s.pull.Repo))
	}
}

// kept are the couplings, by key, on which a command took effect before.
func (s *session) kept(ctx context.Context, cmd command.Command, targets []coupling.Coupling) ([]coupling.Key, error) {
	homes := []coupling.Repo{s.pull.Repo}
	for _, c := range targets {
		homes = append(homes, c.Home)
	}
	slices.Sort(homes)
	var out []coupling.Key
	for _, home := range slices.Compact(homes) {
		o, err := s.r.Memory.Overlays.Load(ctx, home)
		if err != nil {
			return nil, err
		}
		for _, e := range o.Effects {
			if e.ID == s.id(cmd) {
				out = append(out, coupling.Coupling{Home: home, Name: e.Coupling}.Key())
			}
		}
	}
	return out, nil
}

// find lists the active and ended couplings that a command is about: the named one, else those that one of the pulls is in. The
// couplings of the comment's own pull request come first; own counts them.
func (r *Reconciler) find(ctx context.Context, at coupling.Pull, pulls []coupling.Pull, name string) (found []coupling.Coupling, own int, err error) {
	about := append([]coupling.Pull{at}, pulls...)
	homes := []coupling.Repo{at.Repo}
	for _, p := range about {
		d, err := r.Memory.Members.Load(ctx, p)
		if err != nil {
			return nil, 0, err
		}
		for _, key := range d.Couplings {
			if home := key.Home(); !slices.Contains(homes, home) {
				homes = append(homes, home)
			}
		}
	}
	judged := len(homes) // elsewhere they may be declared only, as long as a new database has not judged them
	for _, p := range about {
		trusted, err := r.trusted(ctx, p.Repo)
		if err != nil {
			return nil, 0, err
		}
		for _, home := range trusted {
			if !slices.Contains(homes, home) {
				homes = append(homes, home)
			}
		}
	}
	var ours, theirs []coupling.Coupling
	for i, home := range homes {
		all, err := r.assembled(ctx, home)
		if err != nil {
			return nil, 0, err
		}
		has := func(c coupling.Coupling) bool {
			return slices.ContainsFunc(about, func(p coupling.Pull) bool { _, is := c.ByPull(p); return is })
		}
		if i >= judged && !slices.ContainsFunc(all, has) {
			continue
		}
		for _, c := range all {
			if name != "" {
				if strings.EqualFold(c.Name, name) {
					ours = append(ours, c)
				}
				continue
			}
			if _, is := c.ByPull(at); is {
				ours = append(ours, c)
			} else if has(c) {
				theirs = append(theirs, c)
			}
		}
	}
	return append(ours, theirs...), len(ours), nil
}

// apply tries effects on a coupling and, when all hold, keeps them together. What one command does is one: its effects share an id, and are not
// kept twice.
func (r *Reconciler) apply(ctx context.Context, c coupling.Coupling, effects ...coupling.Effect) (*coupling.Refusal, error) {
	all, err := r.assembled(ctx, c.Home)
	if err != nil {
		return nil, err
	}
	orders := false
	for _, e := range effects {
		orders = orders || e.Verb == coupling.Order
		if refusal := c.Apply(e); refusal != nil {
			o, err := r.Memory.Overlays.Load(ctx, c.Home)
			if err != nil {
				return nil, err
			}
			if o.Has(effects[0]) {
				return nil, nil // it ran before; what it did is why it cannot run again
			}
			return refusal, nil
		}
	}
	if orders { // a cycle may run through other couplings too
		var edges []coupling.PullEdge
		for _, o := range all {
			if o.Name == c.Name {
				o = c
			}
			if o.End == nil {
				edges = append(edges, o.PullEdges()...)
			}
		}
		if cycle := coupling.CycleOf(edges); cycle != nil {
			refusal := &coupling.Refusal{Message: "the order would be a cycle"}
			for _, p := range cycle {
				refusal.Cycle = append(refusal.Cycle, p.In(c.Home))
			}
			return refusal, nil
		}
	}
	_, err = r.Memory.Overlays.Update(ctx, c.Home, func(o *memory.Overlay) ([]store.Work, bool) {
		if o.Has(effects[0]) {
			return nil, false
		}
		o.Effects = append(slices.Clip(o.Effects), effects...)
		return []store.Work{work.Coupling(c.Key())}, true
	})
	return nil, err
}

// present gives the pull requests that a command names the present names of their repositories.
func (s *session) present(ctx context.Context, cmd command.Command) (command.Command, error) {
	named, err := s.pulls(cmd)
	if err != nil {
		return cmd, nil // refused by who reads it
	}
	if err := s.r.locate(ctx, reposOf(named)); err != nil {
		return cmd, err
	}
	n := s.r.names(s.pull.Repo)
	return cmd.Retarget(func(t command.Target) command.Target {
		now, failed := n.target(ctx, s.pull.Repo, t)
		err = errors.Join(err, failed)
		return now
	}), err
}

// missing says which pull request that effects bring in does not exist; "" when all do. What is taken out may well be a number that
// never was one.
func (s *session) missing(ctx context.Context, effects []coupling.Effect) (string, error) {
	var pulls []coupling.Pull
	for _, e := range effects {
		for _, m := range e.Members {
			pulls = append(pulls, m.Pull)
		}
		if !e.With.IsZero() {
			pulls = append(pulls, e.With)
		}
	}
	if len(pulls) == 0 {
		return "", nil
	}
	facts, err := s.r.pulls(ctx, pulls...)
	if err != nil && transient(err) {
		return "", err
	}
	for _, p := range pulls {
		if facts[p].Absent() {
			return p.In(s.pull.Repo) + " is no pull request", nil
		}
	}
	return "", nil
}

// pulls resolves the pull requests that a command names, each once.
func (s *session) pulls(cmd command.Command) ([]coupling.Pull, error) {
	var out []coupling.Pull
	for _, t := range cmd.Named() {
		p, err := t.In(s.pull.Repo)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}
