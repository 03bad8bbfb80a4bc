// Package history asks a repository where a change is: by ancestry, by its picks, by evidence. It also finds what reverted
// it.
//
// It is between a [Source], of which there are two (GitHub's API and a local clone), and the arithmetic of package versionscan. What is
// asked and what is concluded is written once, here, so the two give the same answers. A read that failed is an unknown fact; [Asker.Failed] hears of it.
package history

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Source is a repository's content and history; all of it is immutable for a given commit.
type Source interface {
	Files(ctx context.Context, repo coupling.Repo, at []forge.At) (map[forge.At]versionscan.Fact[versionscan.File], error)
	// Tree lists the files below a directory of a commit; "" is the root.
	Tree(ctx context.Context, repo coupling.Repo, commit, dir string) (versionscan.Fact[[]forge.Entry], error)
	// Contains says of each revision whether the commit is the revision or an ancestor of it.
	Contains(ctx context.Context, repo coupling.Repo, commit string, revs []string) (map[string]versionscan.Fact[bool], error)
	Compare(ctx context.Context, repo coupling.Repo, base, head string) (versionscan.Fact[forge.Comparison], error)
	// Log lists what a revision contains since a time, newest first.
	Log(ctx context.Context, repo coupling.Repo, rev string, since time.Time, limit int) (versionscan.Fact[[]forge.Commit], error)
	// Diff is the unified diff of a commit against its first parent.
	Diff(ctx context.Context, repo coupling.Repo, commit string) (versionscan.Fact[string], error)
}

// Asker asks one repository. It remembers what it read, so it is made for one evaluation and then left.
type Asker struct {
	Source Source
	Repo   coupling.Repo
	Failed func(error) // called for every read that failed; may be nil

	logs    map[string]versionscan.Fact[[]forge.Commit]
	patches map[string]versionscan.Fact[patchIDs]
	turned  map[turning]turns
	matched map[matching]files
}

// matching is what matches a glob at a commit.
type matching struct{ commit, glob string }

func (a *Asker) failed(err error) {
	if err != nil && a.Failed != nil {
		a.Failed(err)
	}
}

type (
	file  = versionscan.Fact[versionscan.File]
	files = map[string]file
)

func because(err error) string {
	if err == nil {
		return "it was not read"
	}
	return err.Error()
}

// Files reads files at a commit, by path.
func (a *Asker) Files(ctx context.Context, commit string, paths []string) map[string]versionscan.Fact[versionscan.File] {
	at := make([]forge.At, 0, len(paths))
	for _, p := range paths {
		at = append(at, forge.At{Commit: commit, Path: p})
	}
	out := files{}
	for f, fact := range a.read(ctx, at) {
		out[f.Path] = fact
	}
	return out
}

func (a *Asker) read(ctx context.Context, at []forge.At) map[forge.At]file {
	if len(at) == 0 {
		return nil
	}
	found, err := a.Source.Files(ctx, a.Repo, at)
	a.failed(err)
	out := make(map[forge.At]file, len(at))
	for _, f := range at {
		fact, ok := found[f]
		if !ok {
			fact = versionscan.NotKnown[versionscan.File](because(err))
		}
		out[f] = fact
	}
	return out
}

// maxMatches bounds how many files one glob may bring into an evaluation.
const maxMatches = 2000

// Matching reads the files that match a glob at a commit. When the tree cannot be listed, or too much of it matches, the
// glob itself stands for an unknown file. Gates often share a glob: what comes back is shared too, and must not be changed.
func (a *Asker) Matching(ctx context.Context, commit, glob string) map[string]versionscan.Fact[versionscan.File] {
	m := matching{commit, glob}
	if found, ok := a.matched[m]; ok {
		return found
	}
	found := files{}
	if paths, unknown := a.paths(ctx, commit, glob); unknown != "" {
		found[glob] = versionscan.NotKnown[versionscan.File](unknown)
	} else {
		found = a.Files(ctx, commit, paths)
	}
	if a.matched == nil {
		a.matched = map[matching]files{}
	}
	a.matched[m] = found
	return found
}

func (a *Asker) paths(ctx context.Context, commit, glob string) (paths []string, unknown string) {
	base, literal := versionscan.GlobBase(glob)
	if literal {
		return []string{base}, ""
	}
	tree, err := a.Source.Tree(ctx, a.Repo, commit, base)
	a.failed(err)
	if !tree.Known() {
		return nil, tree.Why
	}
	for _, e := range tree.Value {
		if versionscan.Match(glob, e.Path) {
			paths = append(paths, e.Path)
		}
	}
	if len(paths) > maxMatches {
		return nil, fmt.Sprintf("%d files match %s, more than %d", len(paths), glob, maxMatches)
	}
	return paths, ""
}

// Shows says by tag name whether the tag has some evidence, for each evidence in turn. All files of all tags are asked for at once.
func (a *Asker) Shows(ctx context.Context, tags []release.Tag, evidence ...find.Evidence) []map[string]versionscan.Fact[bool] {
	type question struct{ commit, glob string }
	wanted := map[question][]forge.At{}
	unknown := map[question]string{}
	var at []forge.At
	for _, e := range evidence {
		for _, t := range tags {
			q := question{t.Commit, e.Path}
			if _, asked := wanted[q]; asked {
				continue
			}
			paths, why := a.paths(ctx, t.Commit, e.Path)
			unknown[q], wanted[q] = why, []forge.At{}
			for _, p := range paths {
				wanted[q] = append(wanted[q], forge.At{Commit: t.Commit, Path: p})
			}
			at = append(at, wanted[q]...)
		}
	}
	slices.SortFunc(at, compareAt)
	found := a.read(ctx, slices.Compact(at))
	var out []map[string]versionscan.Fact[bool]
	for _, e := range evidence {
		shows, predicate := map[string]versionscan.Fact[bool]{}, e.Compile()
		for _, t := range tags {
			q := question{t.Commit, e.Path}
			if why := unknown[q]; why != "" {
				shows[t.Name] = versionscan.NotKnown[bool](why)
				continue
			}
			these := files{}
			for _, f := range wanted[q] {
				these[f.Path] = found[f]
			}
			shows[t.Name] = predicate.Holds(these)
		}
		out = append(out, shows)
	}
	return out
}

func compareAt(a, b forge.At) int {
	return cmp.Or(strings.Compare(a.Commit, b.Commit), strings.Compare(a.Path, b.Path))
}

// Releases are the tags that name releases.
func Releases(rel *release.Releases, tags []release.Tag) []release.Tag {
	if rel == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(tags), func(t release.Tag) bool {
		_, ok := rel.ParseTag(t.Name)
		return !ok
	})
}

// Lines are the branches that are release lines, but for the one that a change was merged into.
func Lines(rel *release.Releases, branches map[string]string, base string) map[string]string {
	out := map[string]string{}
	if rel == nil || rel.Branches == "" {
		return out
	}
	maps.Copy(out, branches)
	maps.DeleteFunc(out, func(branch, _ string) bool {
		_, is := rel.LineOf(branch)
		return !is || branch == base
	})
	return out
}
