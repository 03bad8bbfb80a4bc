package ghsim

import (
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// objects is the object database that a repository shares with its forks. Ids are those that git would give, so a
// client that caches or computes them meets what it would meet on GitHub. Nothing in it changes once written.
type objects struct {
	blobs   map[string]string
	trees   map[string][]treeEntry // every directory, by id
	commits map[string]*commit
	links   map[string]bool // blobs that are symbolic links
}

func newObjects() *objects {
	return &objects{blobs: map[string]string{}, trees: map[string][]treeEntry{}, commits: map[string]*commit{}, links: map[string]bool{}}
}

// tree is a whole directory: files maps each path to its blob. Commits that change nothing share it.
type tree struct {
	id    string
	files map[string]string
}

// treeEntry is one line of a directory object.
type treeEntry struct {
	name string
	dir  bool
	id   string
}

// commit is a commit. seq grows with each commit made, so a parent's is always the smaller one. Ordering by it is a
// topological order, and a walk can stop below it.
type commit struct {
	id        string
	seq       int
	parents   []*commit
	tree      *tree
	author    string
	committer string
	message   string
	date      time.Time // of the committer
	authored  time.Time
	mail      string // the author's, where it is not that of a login
}

func (c *commit) subject() string { s, _, _ := strings.Cut(c.message, "\n"); return s }

// objectID is the id that git gives to an object.
func objectID(kind, content string) string {
	sum := sha1.Sum(fmt.Appendf(nil, "%s %d\x00%s", kind, len(content), content))
	return hex.EncodeToString(sum[:])
}

func (o *objects) blob(text string) string {
	id := objectID("blob", text)
	o.blobs[id] = text
	return id
}

// writeTree stores files, a map of paths to blob ids, with every directory below it.
func (o *objects) writeTree(files map[string]string) *tree {
	return &tree{id: o.writeDir(slices.Sorted(maps.Keys(files)), "", files), files: files}
}

// writeDir stores the directory at prefix; paths are those below it, sorted.
func (o *objects) writeDir(paths []string, prefix string, files map[string]string) string {
	var entries []treeEntry
	for i := 0; i < len(paths); {
		name, _, dir := strings.Cut(paths[i][len(prefix):], "/")
		if !dir {
			entries = append(entries, treeEntry{name: name, id: files[paths[i]]})
			i++
			continue
		}
		below := prefix + name + "/"
		j := i
		for j < len(paths) && strings.HasPrefix(paths[j], below) {
			j++
		}
		entries = append(entries, treeEntry{name: name, dir: true, id: o.writeDir(paths[i:j], below, files)})
		i = j
	}
	// git sorts a directory as if its name ended in a slash.
	slices.SortFunc(entries, func(a, b treeEntry) int { return cmp.Compare(a.sortKey(), b.sortKey()) })
	var content strings.Builder
	for _, e := range entries {
		raw, err := hex.DecodeString(e.id)
		if err != nil {
			panic(err) // ids are made by objectID
		}
		fmt.Fprintf(&content, "%o %s\x00%s", o.mode(e), e.name, raw)
	}
	id := objectID("tree", content.String())
	o.trees[id] = entries
	return id
}

// mode is an entry's file mode as git has it.
func (o *objects) mode(e treeEntry) int {
	switch {
	case e.dir:
		return 0o40000
	case o.links[e.id]:
		return 0o120000
	}
	return 0o100644
}

func (e treeEntry) sortKey() string {
	if e.dir {
		return e.name + "/"
	}
	return e.name
}

// change applies changes to t, nil deleting a path. A tree that stays as it was is returned itself.
func (o *objects) change(t *tree, changes map[string]*string) *tree {
	if len(changes) == 0 {
		return t
	}
	files := maps.Clone(t.files)
	for path, text := range changes {
		if text == nil {
			delete(files, path)
		} else {
			files[path] = o.blob(*text)
		}
	}
	if maps.Equal(files, t.files) {
		return t
	}
	return o.writeTree(files)
}

// commitSpec is what makes a commit in addition to its tree and parents.
type commitSpec struct {
	author, committer, message string
	date                       time.Time
	authored                   time.Time // when it is a pick; else it is the date
}

func (o *objects) commit(seq int, t *tree, parents []*commit, s commitSpec) *commit {
	if s.committer == "" {
		s.committer = s.author
	}
	if s.authored.IsZero() {
		s.authored = s.date
	}
	var b strings.Builder
	fmt.Fprintf(&b, "tree %s\n", t.id)
	for _, p := range parents {
		fmt.Fprintf(&b, "parent %s\n", p.id)
	}
	fmt.Fprintf(&b, "author %s <%s> %d +0000\n", s.author, email(s.author), s.authored.Unix())
	fmt.Fprintf(&b, "committer %s <%s> %d +0000\n\n%s", s.committer, email(s.committer), s.date.Unix(), s.message)
	id := objectID("commit", b.String())
	if c := o.commits[id]; c != nil {
		return c
	}
	c := &commit{id: id, seq: seq, parents: parents, tree: t, author: s.author, committer: s.committer, message: s.message,
		date: s.date.UTC().Truncate(time.Second), authored: s.authored.UTC().Truncate(time.Second)}
	o.commits[id] = c
	return c
}

// address is the author's e-mail address.
func (c *commit) address() string { return cmp.Or(c.mail, email(c.author)) }

func email(login string) string { return login + "@users.noreply.github.com" }

// dirAt finds the directory or file at path below the root of t; ok is false when nothing is there.
func (o *objects) at(t *tree, path string) (e treeEntry, ok bool) {
	e = treeEntry{dir: true, id: t.id}
	if path = strings.Trim(path, "/"); path == "" {
		return e, true
	}
	for name := range strings.SplitSeq(path, "/") {
		if !e.dir {
			return treeEntry{}, false
		}
		i := slices.IndexFunc(o.trees[e.id], func(x treeEntry) bool { return x.name == name })
		if i < 0 {
			return treeEntry{}, false
		}
		e = o.trees[e.id][i]
	}
	return e, true
}

// reachable is the set of commits that c contains, c included.
func reachable(c *commit) map[*commit]bool {
	seen := map[*commit]bool{}
	var todo []*commit
	if c != nil {
		todo = append(todo, c)
	}
	for len(todo) > 0 {
		c, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if !seen[c] {
			seen[c] = true
			todo = append(todo, c.parents...)
		}
	}
	return seen
}

// contains reports whether old is an ancestor of c, or c itself.
func (c *commit) contains(old *commit) bool {
	seen := map[*commit]bool{}
	todo := []*commit{c}
	for len(todo) > 0 {
		x := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if x == old {
			return true
		}
		if x.seq > old.seq && !seen[x] {
			seen[x] = true
			todo = append(todo, x.parents...)
		}
	}
	return false
}

// mergeBase is the youngest commit that both contain, or nil for histories that share nothing.
func mergeBase(a, b *commit) *commit {
	var best *commit
	in := reachable(b)
	for c := range reachable(a) {
		if in[c] && (best == nil || c.seq > best.seq) {
			best = c
		}
	}
	return best
}

// only lists the commits that head contains and base does not, oldest first.
func only(base, head *commit) []*commit {
	if head == nil {
		return nil
	}
	in := reachable(base)
	var out []*commit
	for c := range reachable(head) {
		if !in[c] {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *commit) int { return cmp.Compare(a.seq, b.seq) })
	return out
}

// history lists what c contains, newest first.
func history(c *commit) []*commit {
	out := only(nil, c)
	slices.Reverse(out)
	return out
}

// merge joins what ours and theirs changed since base, file by file and line by line. conflicts are the paths that
// it could not join, sorted; there, ours is kept.
func (o *objects) merge(base, ours, theirs *tree) (merged *tree, conflicts []string) {
	files := maps.Clone(ours.files)
	paths := maps.Clone(base.files)
	maps.Copy(paths, theirs.files)
	for path := range paths {
		b, inB := base.files[path]
		u, inU := ours.files[path]
		t, inT := theirs.files[path]
		switch {
		case t == b || t == u: // theirs changed nothing, or the same
		case u == b && inT:
			files[path] = t
		case u == b:
			delete(files, path)
		default:
			text, ok := "", false
			if inB && inU && inT {
				text, ok = mergeText(o.blobs[b], o.blobs[u], o.blobs[t])
			}
			if !ok {
				conflicts = append(conflicts, path)
				continue
			}
			files[path] = o.blob(text)
		}
	}
	slices.Sort(conflicts)
	return o.writeTree(files), conflicts
}

// mergeCommits joins two commits over their merge base.
func (o *objects) mergeCommits(ours, theirs *commit) (merged *tree, conflicts []string) {
	base := o.writeTree(map[string]string{})
	if b := mergeBase(ours, theirs); b != nil {
		base = b.tree
	}
	return o.merge(base, ours.tree, theirs.tree)
}

// fileChange is one file of a comparison.
type fileChange struct {
	path, status, before, after string // blob ids; "" where the file is not
}

// changes lists what differs between two trees, by path.
func changes(a, b *tree) []fileChange {
	paths := maps.Clone(a.files)
	maps.Copy(paths, b.files)
	var out []fileChange
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		before, after := a.files[path], b.files[path]
		switch {
		case before == after:
		case before == "":
			out = append(out, fileChange{path, "added", before, after})
		case after == "":
			out = append(out, fileChange{path, "removed", before, after})
		default:
			out = append(out, fileChange{path, "modified", before, after})
		}
	}
	return out
}
