package history

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Change is a merged pull request.
type Change struct {
	Merge    string // commit
	Number   int
	Title    string
	Begun    time.Time // when it was first seen, before which nobody can have picked it; zero is MergedAt
	MergedAt time.Time
	Tip      string // of the branch it was merged into
}

func (c Change) begun() time.Time {
	if c.Begun.IsZero() || c.Begun.After(c.MergedAt) {
		return c.MergedAt
	}
	return c.Begun
}

// Revert is a reverted change.
type Revert struct {
	Commit string
	Number int // of the pull request that did it; 0 where there was none
}

// Carriers say which tags (by name) and release lines (by branch) have a change, and by which method that was found. It is ancestry,
// else an equivalent pick known by its trailer, its number or its patch. What was reverted before a tag is not in the tag, however much its
// commit is.
func (a *Asker) Carriers(ctx context.Context, c Change, rel *release.Releases, tags []release.Tag, lines map[string]string) (byTag, byLine map[string]versionscan.Fact[string]) {
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
	near := a.nearest(ctx, c, rel, tags, in, taken)
	for _, t := range tags {
		back := taken
		if f, ok := near[t.Commit]; ok {
			back = func(string) versionscan.Fact[bool] { return f }
		}
		byTag[t.Name] = a.carries(ctx, c, t.Commit, t.Date, in(t.Commit), back, origin)
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
			return versionscan.None[string]("it was reverted before")
		}
		return versionscan.Know("ancestry")
	}
	switch o := origin(rev); {
	case o.Unknown():
		return versionscan.NotKnown[string](o.Why)
	case o.Value:
		return versionscan.Know(byTrailer)
	case !date.IsZero() && date.Add(24*time.Hour).Before(c.begun()):
		return versionscan.None[string]("older than the change") // no pick is older than what it picks
	}
	ahead, err := a.Source.Compare(ctx, a.Repo, c.Merge, rev)
	a.failed(err)
	if !ahead.Known() {
		return versionscan.NotKnown[string](ahead.Why)
	}
	commits := ahead.Value.Commits
	if ahead.Value.Ahead > len(commits) { // too many to compare: those that are as new as the change
		log := a.logOf(ctx, rev, c.begun())
		if !log.Known() {
			return versionscan.NotKnown[string](log.Why)
		}
		commits = oldestFirst(log.Value)
	}
	return a.picked(ctx, c, commits)
}

// nearest says of the tags in which a change may have shipped first whether it was reverted before them. These are the tags of all
// releases up to the lowest whose tag has it, and of these all commits are looked at. A candidate may have a revert of its own outside all
// branches. Those are too many to look at for every tag.
func (a *Asker) nearest(ctx context.Context, c Change, rel *release.Releases, tags []release.Tag, in, taken func(string) versionscan.Fact[bool]) map[string]versionscan.Fact[bool] {
	near := map[string]versionscan.Fact[bool]{}
	if rel == nil {
		return near
	}
	for _, r := range rel.History(tags, nil).Releases() {
		for _, b := range r.Builds {
			if f := in(b.Commit); f.Known() && f.Value {
				near[b.Commit] = a.takenBackBefore(ctx, c, b.Commit, taken(b.Commit))
			}
		}
		if r.Speaks == nil {
			continue
		}
		if f, ok := near[r.Speaks.Commit]; ok && (f.Unknown() || !f.Value) {
			break
		}
	}
	return near
}

// takenBackBefore looks at all commits between a change and a revision, unless the branches show already that it was reverted.
func (a *Asker) takenBackBefore(ctx context.Context, c Change, rev string, known versionscan.Fact[bool]) versionscan.Fact[bool] {
	if known.Known() && known.Value {
		return known
	}
	between, err := a.Source.Compare(ctx, a.Repo, c.Merge, rev)
	a.failed(err)
	switch {
	case !between.Known():
		return versionscan.NotKnown[bool](between.Why)
	case between.Value.Ahead > len(between.Value.Commits):
		return known
	}
	turns, why := a.turns(ctx, c, between.Value.Commits)
	if why != "" {
		return versionscan.NotKnown[bool](why)
	}
	return versionscan.Know(len(turns)%2 == 1)
}

// origin says of a revision whether it has the commit of which a change is a pick. That is so when a fix was made on a release line first.
func (a *Asker) origin(ctx context.Context, c Change, in func(string) versionscan.Fact[bool]) func(string) versionscan.Fact[bool] {
	none := func(string) versionscan.Fact[bool] { return versionscan.Know(false) }
	log := a.log(ctx, c)
	if log.Unknown() { // too long a way to the tip
		log, _ = a.Source.Log(ctx, a.Repo, c.Merge, time.Unix(0, 0), 1)
	}
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
	if len(log.Value) >= maxLog {
		log = versionscan.NotKnown[[]forge.Commit](fmt.Sprintf("%.10s has more than %d commits since %s", tip, maxLog, since.Format(time.DateOnly)))
	}
	if a.logs == nil {
		a.logs = map[string]versionscan.Fact[[]forge.Commit]{}
	}
	a.logs[key] = log
	return log
}

// maxLog bounds how far back a revert is looked for.
const maxLog = 10_000

// turn is a commit that reverts a change or, every second one, brings it in again by a revert of the revert or a pick.
type turn struct {
	forge.Commit
	number int
}

// turning is a change on a branch, and turns what became of it there: see [Asker.turns].
type (
	turning struct {
		Change
		tip string
	}
	turns struct {
		all []turn
		why string
	}
)

// turnsOn returns the turns of a change in the log of a branch, newest first. Each question about the change needs them.
func (a *Asker) turnsOn(ctx context.Context, c Change, tip string, log []forge.Commit) ([]turn, string) {
	key := turning{c, tip}
	t, ok := a.turned[key]
	if !ok {
		t.all, t.why = a.turns(ctx, c, oldestFirst(log))
		if a.turned == nil {
			a.turned = map[turning]turns{}
		}
		a.turned[key] = t
	}
	return t.all, t.why
}

// turns follows a change through reverts and reverts of reverts among commits, oldest first. A revert that does not say of what is known by
// its lines; why is what keeps them from being read.
func (a *Asker) turns(ctx context.Context, c Change, commits []forge.Commit) (out []turn, why string) {
	now := c.identity()
	for _, o := range commits {
		in := len(out)%2 == 0
		switch {
		case o.SHA == c.Merge:
			continue
		case now.takenBackBy(o):
			now = identityOf(o)
		case !in && (c.toldBy(o).Known() || c.broughtBackBy(o)):
			now = c.identity().and(identityOf(o))
		case in && c.isRevert(o) && len(o.Parents) < 2:
			inverse := a.inverts(ctx, c, o)
			if inverse.Unknown() {
				return nil, inverse.Why
			}
			if !inverse.Value {
				continue
			}
			now = identityOf(o)
		default:
			if now.pickedBy(o) {
				now = now.and(identityOf(o))
			}
			continue
		}
		out = append(out, turn{o, PullOf(o)})
	}
	return out, ""
}

func oldestFirst(commits []forge.Commit) []forge.Commit {
	commits = slices.Clone(commits)
	slices.Reverse(commits)
	return commits
}

// Reverted finds the commit that took a change back on its branch, unless it was brought in again.
func (a *Asker) Reverted(ctx context.Context, c Change) versionscan.Fact[Revert] {
	log := a.log(ctx, c)
	if !log.Known() {
		return versionscan.NotKnown[Revert](log.Why)
	}
	switch all, why := a.turnsOn(ctx, c, c.Tip, log.Value); {
	case why != "":
		return versionscan.NotKnown[Revert](why)
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
func (a *Asker) takenBack(ctx context.Context, c Change, in func(string) versionscan.Fact[bool], tags []release.Tag, lines map[string]string) func(string) versionscan.Fact[bool] {
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
		turns, untold := a.turnsOn(ctx, c, tip, log.Value)
		why = cmp.Or(why, untold)
		for _, t := range turns {
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
		if isRevert(c) {
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

// Title is a commit's subject without the number of its pull request.
func Title(c forge.Commit) string { return bare(subject(c)) }

// Merged finds the commit by which a pull request came into a log, newest first. It goes by the number in its subject, else by where this branch has it.
func Merged(commits []forge.Commit, number int) (forge.Commit, bool) {
	if c, ok := merged(commits, number, PullOf); ok {
		return c, true
	}
	if re := habit(commits); re != nil {
		return merged(commits, number, func(c forge.Commit) int { return numberBy(re, c) })
	}
	return forge.Commit{}, false
}

func merged(commits []forge.Commit, number int, numberOf func(forge.Commit) int) (found forge.Commit, ok bool) {
	for _, c := range commits {
		switch {
		case numberOf(c) != number:
		case !isRevert(c):
			return c, true
		case found.SHA == "": // a pull request may well be a revert
			found = c
		}
	}
	return found, found.SHA != ""
}

// habits are the places, other than the end of a subject, where projects write the pull request of a commit.
var habits = []*regexp.Regexp{
	regexp.MustCompile(`^[\w-]+ #(\d+) `), // bug #58638 [Component] title (author)
	regexp.MustCompile(`^(?:GITHUB#|(?i:gh)-)(\d+)\b`),
	regexp.MustCompile(`(?m)^(?:Closes|See|Fixes|Resolves):? (?:gh-|#)(\d+)\b`),
	regexp.MustCompile(`(?m)^(?:PR-URL|Pull-Request|Closes|See): \S+/pull/(\d+)\b`),
}

// habit is the place where a branch mostly has the pull request of a commit; nil where there is none.
func habit(commits []forge.Commit) *regexp.Regexp {
	var best *regexp.Regexp
	chain := firstParents(commits)
	most := len(chain) / 4
	for _, re := range habits {
		n := 0
		for _, c := range chain {
			if numberBy(re, c) != 0 {
				n++
			}
		}
		if n > most {
			best, most = re, n
		}
	}
	return best
}

// maxHabit bounds how many commits show how a branch names pull requests.
const maxHabit = 1000

// firstParents are the commits by which a branch moved, newest first.
func firstParents(commits []forge.Commit) []forge.Commit {
	var out []forge.Commit
	next := ""
	for _, c := range commits {
		if next != "" && c.SHA != next {
			continue
		}
		if out = append(out, c); len(out) == maxHabit || len(c.Parents) == 0 {
			break
		}
		next = c.Parents[0]
	}
	return out
}

func numberBy(re *regexp.Regexp, c forge.Commit) int {
	n := 0
	if m := re.FindStringSubmatch(c.Message); m != nil {
		fmt.Sscan(m[1], &n)
	}
	return n
}
