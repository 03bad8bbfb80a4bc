package history

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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

// picked looks for a pick of a change among the commits, oldest first, that a revision has and the change has not. It goes by what
// messages say, then by what commits do.
func (a *Asker) picked(ctx context.Context, c Change, commits []forge.Commit) versionscan.Fact[string] {
	named := func(o forge.Commit) versionscan.Fact[string] { return c.toldBy(o) }
	if f := a.follow(ctx, c, commits, named); !f.Absent() || len(commits) == 0 {
		return f
	}
	own, err := a.Source.Log(ctx, a.Repo, c.Merge, time.Unix(0, 0), 1)
	a.failed(err)
	if !own.Known() || len(own.Value) == 0 {
		return versionscan.NotKnown[string](cmp.Or(own.Why, "its own commit was not read"))
	}
	self := own.Value[0]
	if f := a.follow(ctx, c, commits, a.patched(ctx, c, self)); !f.Absent() || len(self.Parents) < 2 {
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
		f := a.follow(ctx, one, commits, a.patched(ctx, one, part))
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

// follow walks through commits, oldest first, and tells by which method the last one of them has a change that none of their parents had;
// how says of a commit whether it is a pick. What was reverted is out, and what was brought in again is in.
func (a *Asker) follow(ctx context.Context, c Change, commits []forge.Commit, how func(forge.Commit) versionscan.Fact[string]) versionscan.Fact[string] {
	now := c.identity()
	method, was := "", "" // by which it is in, and by which it was before it was reverted
	for _, o := range commits {
		if (method != "" || was != "") && now.takenBackBy(o) || method == "" && was != "" && c.broughtBackBy(o) {
			method, was, now = was, method, identityOf(o)
			continue
		}
		if method != "" && c.isRevert(o) && len(o.Parents) < 2 { // of what, only its lines say
			switch f := a.inverts(ctx, c, o); {
			case f.Unknown():
				return versionscan.NotKnown[string](f.Why)
			case f.Value:
				method, was, now = "", method, identityOf(o)
				continue
			}
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
		return versionscan.None[string]("its pick was reverted")
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
		titled := slices.Contains([]string{bare(subject(self)), bare(c.Title)}, bare(subject(o)))
		same := !self.Authored.IsZero() && o.Authored.Equal(self.Authored) && o.Author == self.Author // which a pick keeps
		alike := same || titled
		if left--; o.SHA == self.SHA || len(o.Parents) > 1 || c.isRevert(o) || left < 0 && !alike {
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
		case o.Author == self.Author && titled:
			return versionscan.NotKnown[string](fmt.Sprintf("%.10s looks like a pick of it, with other lines", o.SHA))
		}
		return noPick
	}
}

func (a *Asker) patch(ctx context.Context, commit string) versionscan.Fact[string] {
	ids := a.patchOf(ctx, commit)
	return versionscan.Fact[string]{State: ids.State, Value: ids.Value.patch, Why: ids.Why}
}

// inverts says whether a commit takes back the very lines of a change.
func (a *Asker) inverts(ctx context.Context, c Change, o forge.Commit) versionscan.Fact[bool] {
	mine, theirs := a.patchOf(ctx, c.Merge), a.patchOf(ctx, o.SHA)
	if mine.Unknown() || theirs.Unknown() {
		return versionscan.NotKnown[bool](cmp.Or(mine.Why, theirs.Why))
	}
	return versionscan.Know(mine.Value.inverse != "" && mine.Value.inverse == theirs.Value.patch)
}

// patchIDs identify a commit's patch, and the one that takes it back.
type patchIDs struct{ patch, inverse string }

// patchOf identifies a commit's patch, which is read once.
func (a *Asker) patchOf(ctx context.Context, commit string) versionscan.Fact[patchIDs] {
	if ids, ok := a.patches[commit]; ok {
		return ids
	}
	d, err := a.Source.Diff(ctx, a.Repo, commit)
	a.failed(err)
	ids := versionscan.NotKnown[patchIDs](d.Why)
	if d.Known() {
		ids = versionscan.Know(patchIDs{patchID(d.Value), inverseID(d.Value)})
	}
	if a.patches == nil {
		a.patches = map[string]versionscan.Fact[patchIDs]{}
	}
	a.patches[commit] = ids
	return ids
}
