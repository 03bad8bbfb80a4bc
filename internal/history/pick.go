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

// The methods by which an equivalent pick is found.
const (
	byTrailer = "cherry-pick trailer"
	byNumber  = "pull request number"
	byPatch   = "patch-id"
)

var noPick = versionscan.None[string]("no pick of it")

// picked looks for a pick of a change among the commits, oldest first, that a revision has and the change has not: first by what messages
// say, then by what commits do.
func (a *Asker) picked(ctx context.Context, c Change, commits []forge.Commit) versionscan.Fact[string] {
	told := func(o forge.Commit) versionscan.Fact[string] { return c.toldBy(o) }
	if f := c.follow(commits, told); !f.Absent() || len(commits) == 0 {
		return f
	}
	own, err := a.Source.Log(ctx, a.Repo, c.Merge, time.Unix(0, 0), 1)
	a.failed(err)
	if !own.Known() || len(own.Value) == 0 {
		return versionscan.NotKnown[string](cmp.Or(own.Why, "its own commit was not read"))
	}
	self := own.Value[0]
	if f := c.follow(commits, a.patched(ctx, c, self)); !f.Absent() || len(self.Parents) < 2 {
		return f
	}
	return a.pickedInParts(ctx, c, self, commits)
}

// pickedInParts looks for picks of the commits that a change's merge brought in.
func (a *Asker) pickedInParts(ctx context.Context, c Change, self forge.Commit, commits []forge.Commit) versionscan.Fact[string] {
	brought, err := a.Source.Compare(ctx, a.Repo, self.Parents[0], c.Merge)
	a.failed(err)
	if !brought.Known() {
		return versionscan.NotKnown[string](brought.Why)
	}
	method, parts, found := byTrailer, 0, 0
	for _, part := range brought.Value.Commits {
		if len(part.Parents) > 1 {
			continue
		}
		one := Change{Merge: part.SHA, Title: subject(part)}
		f := one.follow(commits, a.patched(ctx, one, part))
		switch parts++; {
		case f.Unknown():
			return f
		case f.Known():
			found++
			if f.Value == byPatch {
				method = byPatch
			}
		}
	}
	switch {
	case found == 0:
		return noPick
	case found < parts:
		return versionscan.NotKnown[string](fmt.Sprintf("%d of its %d commits were picked", found, parts))
	}
	return versionscan.Know(method)
}

// follow walks through commits, oldest first, and tells by which method the last one of them has a change that none of their parents had:
// how says of a commit whether it is a pick. What was taken back is out, and what was brought in again is in.
func (c Change) follow(commits []forge.Commit, how func(forge.Commit) versionscan.Fact[string]) versionscan.Fact[string] {
	now := c.identity()
	method, was := "", "" // by which it is in, and by which it was before it was taken back
	for _, o := range commits {
		if (method != "" || was != "") && now.takenBackBy(o) {
			method, was, now = was, method, identityOf(o)
			continue
		}
		f := noPick
		if method == "" {
			f = how(o)
		}
		switch {
		case f.Unknown():
			return f
		case f.Known():
			method, was, now = f.Value, "", c.identity().and(identityOf(o))
		case now.pickedBy(o):
			now = now.and(identityOf(o))
		}
	}
	switch {
	case method != "":
		return versionscan.Know(method)
	case was != "":
		return versionscan.None[string]("its pick was taken back")
	}
	return noPick
}

// toldBy says whether a commit says that it is a pick of a change.
func (c Change) toldBy(o forge.Commit) versionscan.Fact[string] {
	switch {
	case picks(o, c.Merge):
		return versionscan.Know(byTrailer)
	case c.Number != 0 && !isRevert(o) && strings.Contains(subject(o), fmt.Sprintf("(#%d)", c.Number)):
		return versionscan.Know(byNumber)
	}
	return noPick
}

// maxDiffs bounds the commits whose patches are compared though nothing in them looks like the change.
const maxDiffs = 50

// patched says whether a commit is a pick of a change, by what it says or by changing the same lines. The patches are read of the
// commits that look like the change's own, and of the first others.
func (a *Asker) patched(ctx context.Context, c Change, self forge.Commit) func(forge.Commit) versionscan.Fact[string] {
	left := maxDiffs
	return func(o forge.Commit) versionscan.Fact[string] {
		if f := c.toldBy(o); f.Known() {
			return f
		}
		same := !self.Authored.IsZero() && o.Authored.Equal(self.Authored) && o.Author == self.Author // which a pick keeps
		alike := same || slices.Contains([]string{bare(subject(self)), bare(c.Title)}, bare(subject(o)))
		if left--; o.SHA == self.SHA || len(o.Parents) > 1 || isRevert(o) || left < 0 && !alike {
			return noPick
		}
		mine := a.patch(ctx, c.Merge)
		if mine.Value == "" && same && mine.Known() {
			return versionscan.NotKnown[string](fmt.Sprintf("%.10s looks like a pick of it, and there are no lines to compare", o.SHA))
		}
		if mine.Value == "" {
			return versionscan.Fact[string]{State: cmp.Or(mine.State, versionscan.Absent), Why: mine.Why}
		}
		theirs := a.patch(ctx, o.SHA)
		switch {
		case theirs.Unknown():
			return theirs
		case mine.Value == theirs.Value:
			return versionscan.Know(byPatch)
		}
		return noPick
	}
}

func subject(c forge.Commit) string {
	s, _, _ := strings.Cut(c.Message, "\n")
	return strings.TrimSpace(s)
}

var numberSuffix = regexp.MustCompile(`(?:\s*\(#\d+\))+$`)

// bare is a subject without the numbers that squashes put behind it.
func bare(subject string) string { return numberSuffix.ReplaceAllString(subject, "") }

var trailer = regexp.MustCompile(`\(cherry picked from commit ([0-9a-f]{7,40})\)`)

// picks reports whether a commit says that it is a pick of another.
func picks(c forge.Commit, sha string) bool {
	return slices.ContainsFunc(trailer.FindAllStringSubmatch(c.Message, -1), func(m []string) bool { return strings.HasPrefix(sha, m[1]) })
}

func (a *Asker) patch(ctx context.Context, commit string) versionscan.Fact[string] {
	d, err := a.Source.Diff(ctx, a.Repo, commit)
	a.failed(err)
	if !d.Known() {
		return versionscan.NotKnown[string](d.Why)
	}
	return versionscan.Know(patchID(d.Value))
}

// identity is what a commit may be called where another one takes it back.
type identity struct {
	shas    []string // of it and of those that it is a pick of
	numbers []int    // of its pull requests
	titles  []string // without numbers
}

func (c Change) identity() identity {
	id := identity{shas: []string{c.Merge}}
	if c.Number != 0 {
		id.numbers = []int{c.Number}
	}
	if c.Title != "" {
		id.titles = []string{bare(c.Title)}
	}
	return id
}

func identityOf(o forge.Commit) identity {
	id := identity{shas: []string{o.SHA}, titles: []string{bare(subject(o))}}
	for _, m := range trailer.FindAllStringSubmatch(o.Message, -1) {
		id.shas = append(id.shas, m[1])
	}
	if n := PullOf(o); n != 0 {
		id.numbers = []int{n}
	}
	return id
}

func (id identity) and(other identity) identity {
	return identity{slices.Concat(id.shas, other.shas), slices.Concat(id.numbers, other.numbers), slices.Concat(id.titles, other.titles)}
}

func (id identity) hasSHA(sha string) bool {
	return slices.ContainsFunc(id.shas, func(own string) bool { return strings.HasPrefix(own, sha) || strings.HasPrefix(sha, own) })
}

// pickedBy reports whether a commit is a pick of it.
func (id identity) pickedBy(o forge.Commit) bool {
	return slices.ContainsFunc(trailer.FindAllStringSubmatch(o.Message, -1), func(m []string) bool { return id.hasSHA(m[1]) })
}

var (
	revertsCommit = regexp.MustCompile(`(?i)\bthis reverts commits?:?\s+((?:[0-9a-f]{7,40}(?:,? and |[,\s]+)?)+)`)
	revertsRef    = regexp.MustCompile(`(?m)^Refs: (.*)$`)
	revertsPull   = regexp.MustCompile(`(?im)^reverts? (?:[\w.-]+/[\w.-]+)?#(\d+)\b`)
	hexID         = regexp.MustCompile(`\b[0-9a-f]{7,40}\b`)
	revertSubject = regexp.MustCompile(`(?i)^(?:revert(?:\([^)]*\))?!?: |revert )`)
	numbers       = regexp.MustCompile(`\(#(\d+)\)`)
)

// isRevert reports whether a commit's subject says that it takes something back.
func isRevert(o forge.Commit) bool { return revertSubject.MatchString(subject(o)) }

// takenBackBy reports whether a commit takes it back: by git's own words, by naming the pull request, or by quoting its subject.
func (id identity) takenBackBy(o forge.Commit) bool {
	named := revertsCommit.FindAllStringSubmatch(o.Message, -1)
	if isRevert(o) {
		named = append(named, revertsRef.FindAllStringSubmatch(o.Message, -1)...)
	}
	for _, m := range named {
		if slices.ContainsFunc(hexID.FindAllString(m[1], -1), id.hasSHA) {
			return true
		}
	}
	for _, m := range revertsPull.FindAllStringSubmatch(o.Message, -1) {
		if id.hasNumber(m[1]) {
			return true
		}
	}
	quoted, ok := quotedSubject(subject(o))
	if !ok {
		return false
	}
	for _, m := range numbers.FindAllStringSubmatch(quoted[len(bare(quoted)):], -1) {
		if id.hasNumber(m[1]) {
			return true
		}
	}
	return len(id.numbers) > 0 && slices.Contains(id.titles, quoted)
}

func (id identity) hasNumber(text string) bool {
	return slices.ContainsFunc(id.numbers, func(n int) bool { return fmt.Sprint(n) == text })
}

// quotedSubject is the subject that a revert's subject repeats: Revert "…", Reapply "…" of a revert, or revert: ….
func quotedSubject(subject string) (string, bool) {
	for _, verb := range []string{`Revert "`, `Reapply "`} {
		if quoted, ok := strings.CutPrefix(subject, verb); ok {
			if i := strings.LastIndexByte(quoted, '"'); i >= 0 {
				quoted = quoted[:i]
			}
			if verb[2] == 'a' { // Reapply takes the revert of it back
				quoted = `Revert "` + quoted + `"`
			}
			return quoted, true
		}
	}
	if quoted, ok := strings.CutPrefix(subject, "revert: "); ok {
		return bare(quoted), true
	}
	return "", false
}
