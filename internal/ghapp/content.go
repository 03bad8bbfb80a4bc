package ghapp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/go-github/v62/github"

	"github.com/relbot/relbot/internal/cache"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/versionscan"
)

type fileFact = versionscan.Fact[versionscan.File]

// fileOf turns a blob into a file. A text that GitHub cut off is read in full.
func (a *App) fileOf(ctx context.Context, repo coupling.Repo, b blob) fileFact {
	switch {
	case b.IsBinary != nil && *b.IsBinary, b.Text == nil && !b.IsTruncated:
		return versionscan.Know(versionscan.File{Binary: true})
	case b.IsTruncated:
		return a.whole(ctx, repo, b)
	}
	return versionscan.Know(versionscan.File{Text: *b.Text})
}

// maxBlob is the largest file that is read, in bytes.
const maxBlob = 20 << 20

// whole reads a blob that is too long for GraphQL.
func (a *App) whole(ctx context.Context, repo coupling.Repo, b blob) fileFact {
	if b.ByteSize > maxBlob {
		return versionscan.NotKnown[versionscan.File](fmt.Sprintf("it is larger than %d MiB", maxBlob>>20))
	}
	text, status, err := a.raw(ctx, repo, "git/blobs/"+b.OID, "application/vnd.github.raw+json")
	if err != nil || status != http.StatusOK || int64(len(text)) < b.ByteSize {
		return versionscan.NotKnown[versionscan.File](fmt.Sprintf("its text broke off: %d %v", status, err))
	}
	if !utf8.Valid(text) {
		return versionscan.Know(versionscan.File{Binary: true})
	}
	return versionscan.Know(versionscan.File{Text: string(text)})
}

// raw reads what GitHub gives in another form than JSON. The text is cut off behind [maxBlob] bytes.
func (a *App) raw(ctx context.Context, repo coupling.Repo, path, accept string) (text []byte, status int, err error) {
	t, err := a.transport(ctx, repo, forReading)
	if err != nil {
		return nil, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.s.APIURL+"/repos/"+string(repo)+"/"+path, nil)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Accept", accept)
	res, err := (&http.Client{Transport: t, Timeout: requestTimeout}).Do(req)
	if err != nil {
		return nil, 0, a.translate(false, nil, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		err := a.classify(res.StatusCode, res.Header, false, errors.New(res.Status))
		if errors.Is(err, forge.ErrGone) {
			said, _ := io.ReadAll(io.LimitReader(res.Body, maxRefusal)) // less of it says less
			err = a.refusedBy(repo, routeOf(http.MethodGet, "repos/"+string(repo)+"/"+path), res.StatusCode, messageIn(said), false)
		}
		return nil, res.StatusCode, err
	}
	text, err = io.ReadAll(io.LimitReader(res.Body, maxBlob+1))
	return text, res.StatusCode, err
}

// Diff is the unified diff of a commit against its first parent.
func (a *App) Diff(ctx context.Context, repo coupling.Repo, commit string) (versionscan.Fact[string], error) {
	key := "diff " + commit
	if d, ok := cache.Get[string](a.cache, key); ok {
		return versionscan.Know(d), nil
	}
	text, status, err := a.raw(ctx, repo, "commits/"+url.PathEscape(commit), "application/vnd.github.diff")
	switch {
	case status == http.StatusNotAcceptable, status == http.StatusUnprocessableEntity, len(text) > maxBlob:
		return versionscan.Know(""), nil // too large a change for GitHub to show: no patch to compare
	case err != nil:
		return versionscan.NotKnown[string](err.Error()), err
	}
	if sha.MatchString(commit) {
		cache.Add(a.cache, key, string(text))
	}
	return versionscan.Know(string(text)), nil
}

var sha = regexp.MustCompile(`^[0-9a-f]{40}$`)

// place is what is at a path of a commit: the id of a blob or of a directory, or nothing.
type place struct {
	Blob string
	Link bool
	Tree string
}

func placeKey(commit, path string) string { return "at " + commit + ":" + path }

// Files reads files at commits. What is not there is absent. Answers about full commit ids are kept.
//
// Across releases a file rarely changes: files are asked for by id first, and each text once.
func (a *App) Files(ctx context.Context, repo coupling.Repo, at []forge.At) (map[forge.At]fileFact, error) {
	out := map[forge.At]fileFact{}
	places := map[forge.At]place{}
	var todo []forge.At
	listed := map[string]map[string]place{}
	for _, f := range at {
		p, ok := cache.Get[place](a.cache, placeKey(f.Commit, f.Path))
		if !ok {
			p, ok = a.listed(f, listed)
		}
		if ok && sha.MatchString(f.Commit) {
			places[f] = p
		} else {
			todo = append(todo, f)
		}
	}
	texts := map[string]fileFact{} // by blob
	err := batches(ctx, a, ofFiles, todo, func(forge.At) coupling.Repo { return repo }, func(ctx context.Context, part []forge.At) error {
		return a.places(ctx, repo, part, places, texts, out)
	})
	if err == nil {
		var need []string
		for _, p := range places {
			if _, ok := texts[p.Blob]; ok || p.Blob == "" {
				continue
			}
			if file, ok := cache.Get[versionscan.File](a.cache, "blob "+p.Blob); ok {
				texts[p.Blob] = versionscan.Know(file)
			} else {
				texts[p.Blob] = versionscan.NotKnown[versionscan.File]("GitHub does not give its text")
				need = append(need, p.Blob)
			}
		}
		slices.Sort(need)
		err = batches(ctx, a, ofTexts, need, func(string) coupling.Repo { return repo }, func(ctx context.Context, part []string) error {
			return a.texts(ctx, repo, part, texts)
		})
	}
	for _, f := range at {
		if _, done := out[f]; done {
			continue
		}
		p, ok := places[f]
		text := texts[p.Blob]
		switch {
		case !ok && err != nil, ok && p.Blob != "" && text.Unknown() && err != nil:
			out[f] = versionscan.NotKnown[versionscan.File](err.Error())
		case !ok:
			out[f] = versionscan.NotKnown[versionscan.File]("GitHub did not tell")
		case p.Blob == "":
			out[f] = versionscan.None[versionscan.File]("")
		default:
			text.Value.Link = p.Link
			out[f] = text
		}
	}
	return out, err
}

// listed finds what is at a path in the list of a directory above it. lists keeps the lists that were used, by tree.
func (a *App) listed(f forge.At, lists map[string]map[string]place) (place, bool) {
	for dir := path.Dir(f.Path); dir != "." && dir != "/"; dir = path.Dir(dir) {
		above, ok := cache.Get[place](a.cache, placeKey(f.Commit, dir))
		if !ok || above.Tree == "" {
			continue
		}
		if lists[above.Tree] == nil {
			entries, ok := cache.Get[[]forge.Entry](a.cache, "tree "+above.Tree)
			if !ok {
				continue
			}
			list := make(map[string]place, len(entries))
			for _, e := range entries {
				list[e.Path] = place{Blob: e.Blob, Link: e.Link}
			}
			lists[above.Tree] = list
		}
		return lists[above.Tree][strings.TrimPrefix(f.Path, dir+"/")], true
	}
	return place{}, false
}

// places asks what is at paths of commits. A few files come with their texts at once; what cannot be determined goes to out.
func (a *App) places(ctx context.Context, repo coupling.Repo, at []forge.At, places map[forge.At]place, texts map[string]fileFact, out map[forge.At]fileFact) error {
	fields := "oid mode type"
	few := len(at) <= 4
	if few {
		fields += " object { ... on Blob { " + blobFields + " } }"
	}
	var commits []string
	byCommit := map[string][]forge.At{}
	for _, f := range at {
		if byCommit[f.Commit] == nil {
			commits = append(commits, f.Commit)
		}
		byCommit[f.Commit] = append(byCommit[f.Commit], f)
	}
	var v variables
	var b strings.Builder
	for i, c := range commits {
		fmt.Fprintf(&b, "c%d: object(expression: %s) { ... on Commit {", i, v.text(c))
		for k, f := range byCommit[c] {
			fmt.Fprintf(&b, " %s: file(path: %s) { %s }", fileField(k), v.text(f.Path), fields)
		}
		b.WriteString(" } }\n")
	}
	text := v.repositoryOf("r", repo)
	ans, err := a.query(ctx, repo, v.declare()+" { "+text+" {\n"+b.String()+"} }", v.values)
	if err != nil {
		return err
	}
	var r map[string]map[string]*entryNode
	if err := json.Unmarshal(ans.Data["r"], &r); err != nil {
		return &forge.RetryError{Err: err}
	}
	if r == nil {
		return fmt.Errorf("%s: files: %w", repo, forge.ErrGone)
	}
	for i, c := range commits {
		alias := fmt.Sprintf("c%d", i)
		for k, f := range byCommit[c] {
			name := fileField(k)
			n, asked := r[alias][name]
			switch e := cmp.Or(ans.at("r", alias, name), ans.lacks("r", alias)); {
			case e != nil:
				out[f] = versionscan.NotKnown[versionscan.File](e.Message)
				continue
			case !asked:
				out[f] = versionscan.NotKnown[versionscan.File](fmt.Sprintf("the commit %.10s cannot be read", c))
				continue
			}
			places[f] = a.keepPlace(c, f.Path, n)
			if few && n != nil && n.Type == "blob" && n.Object != nil {
				texts[n.OID] = a.keep(n.OID, a.fileOf(ctx, repo, *n.Object))
			}
		}
	}
	return nil
}

// entryNode is an entry of a tree.
type entryNode struct {
	OID    string `json:"oid"`
	Mode   int    `json:"mode"`
	Type   string `json:"type"`
	Object *blob  `json:"object"`
}

// keepPlace remembers what is at a path of a commit; n is nil for nothing.
func (a *App) keepPlace(commit, path string, n *entryNode) place {
	var p place
	switch {
	case n == nil:
	case n.Type == "blob":
		p = place{Blob: n.OID, Link: n.Mode == 0o120000}
	case n.Type == "tree":
		p = place{Tree: n.OID}
	}
	if sha.MatchString(commit) {
		cache.Add(a.cache, placeKey(commit, path), p)
	}
	return p
}

// texts reads the texts of blobs.
func (a *App) texts(ctx context.Context, repo coupling.Repo, ids []string, texts map[string]fileFact) error {
	var v variables
	var b strings.Builder
	for i, id := range ids {
		fmt.Fprintf(&b, "b%d: object(oid: %s) { ... on Blob { %s } }\n", i, v.add("GitObjectID!", id), blobFields)
	}
	text := v.repositoryOf("r", repo)
	ans, err := a.query(ctx, repo, v.declare()+" { "+text+" {\n"+b.String()+"} }", v.values)
	if err != nil {
		return err
	}
	var r map[string]*blob
	if err := json.Unmarshal(ans.Data["r"], &r); err != nil {
		return &forge.RetryError{Err: err}
	}
	for i, id := range ids {
		if n := r[fmt.Sprintf("b%d", i)]; n != nil && n.OID == id && ans.at("r", fmt.Sprintf("b%d", i)) == nil {
			texts[id] = a.keep(id, a.fileOf(ctx, repo, *n))
		}
	}
	return nil
}

// keep remembers the text of a blob.
func (a *App) keep(oid string, f fileFact) fileFact {
	if f.Known() {
		cache.Add(a.cache, "blob "+oid, f.Value)
	}
	return f
}

// Tree lists the files below a directory of a commit; "" is the root.
//
// A directory is known by its id, which stays the same from commit to commit while nothing below it changes.
func (a *App) Tree(ctx context.Context, repo coupling.Repo, commit, dir string) (versionscan.Fact[[]forge.Entry], error) {
	id := commit
	if dir != "" {
		at := forge.At{Commit: commit, Path: dir}
		p, ok := cache.Get[place](a.cache, placeKey(commit, dir))
		if !ok {
			places, out := map[forge.At]place{}, map[forge.At]fileFact{}
			if err := a.places(ctx, repo, []forge.At{at}, places, map[string]fileFact{}, out); err != nil {
				return versionscan.NotKnown[[]forge.Entry](err.Error()), err
			}
			if p, ok = places[at]; !ok {
				return versionscan.NotKnown[[]forge.Entry](out[at].Why), nil
			}
		}
		if id = p.Tree; id == "" {
			return versionscan.Know([]forge.Entry{}), nil
		}
		dir += "/"
	}
	below, err := a.entries(ctx, repo, id)
	if !below.Known() || dir == "" {
		return below, err
	}
	out := make([]forge.Entry, 0, len(below.Value))
	for _, e := range below.Value {
		e.Path = dir + e.Path
		out = append(out, e)
	}
	return versionscan.Know(out), nil
}

// entries lists the files below a tree, by its id or that of a commit.
func (a *App) entries(ctx context.Context, repo coupling.Repo, id string) (versionscan.Fact[[]forge.Entry], error) {
	key := "tree " + id
	if t, ok := cache.Get[[]forge.Entry](a.cache, key); ok {
		return versionscan.Know(t), nil
	}
	var r struct {
		Truncated bool `json:"truncated"`
		Tree      []struct {
			Path string `json:"path"`
			Mode string `json:"mode"`
			Type string `json:"type"`
			SHA  string `json:"sha"`
		} `json:"tree"`
	}
	if err := a.rest(ctx, repo, http.MethodGet, "repos/"+string(repo)+"/git/trees/"+url.PathEscape(id)+"?recursive=1", nil, &r); err != nil {
		return versionscan.NotKnown[[]forge.Entry](err.Error()), err
	}
	if r.Truncated {
		return versionscan.NotKnown[[]forge.Entry]("the tree is too large for GitHub to list: name the files without wildcards"), nil
	}
	out := []forge.Entry{}
	for _, e := range r.Tree {
		if e.Type == "blob" {
			out = append(out, forge.Entry{Path: e.Path, Blob: e.SHA, Link: e.Mode == "120000"})
		}
	}
	if sha.MatchString(id) {
		cache.Add(a.cache, key, out)
	}
	return versionscan.Know(out), nil
}

// maxCompare bounds the commits of a comparison.
const maxCompare = 2000

// Compare compares base...head. Answers about full commit ids are kept.
func (a *App) Compare(ctx context.Context, repo coupling.Repo, base, head string) (versionscan.Fact[forge.Comparison], error) {
	key := compareKey(repo, base, head)
	if c, ok := cache.Get[forge.Comparison](a.cache, key); ok {
		return versionscan.Know(c), nil
	}
	var out forge.Comparison
	path := fmt.Sprintf("repos/%s/compare/%s...%s", repo, url.PathEscape(base), url.PathEscape(head))
	err := list(ctx, a, repo, path, func(r github.CommitsComparison) []*github.RepositoryCommit {
		out.Ahead, out.Behind, out.MergeBase = r.GetAheadBy(), r.GetBehindBy(), r.GetMergeBaseCommit().GetSHA()
		return r.Commits
	}, func(found []*github.RepositoryCommit) bool {
		for _, c := range found {
			commit := forge.Commit{SHA: c.GetSHA(), Message: c.GetCommit().GetMessage(), Date: c.GetCommit().GetCommitter().GetDate().Time,
				Author: c.GetCommit().GetAuthor().GetEmail(), Authored: c.GetCommit().GetAuthor().GetDate().Time}
			for _, p := range c.Parents {
				commit.Parents = append(commit.Parents, p.GetSHA())
			}
			out.Commits = append(out.Commits, commit)
		}
		return len(found) > 0 && len(out.Commits) < maxCompare
	})
	if errors.Is(err, forge.ErrGone) {
		return versionscan.NotKnown[forge.Comparison](fmt.Sprintf("GitHub cannot compare %.10s and %.10s", base, head)), nil
	}
	if err != nil {
		return versionscan.NotKnown[forge.Comparison](err.Error()), err
	}
	if sha.MatchString(base) && sha.MatchString(head) {
		cache.Add(a.cache, key, out)
	}
	return versionscan.Know(out), nil
}

// manyRevs is from how many unknown revisions on all tags are compared page by page, rather than one by one.
const manyRevs = 6

// Contains says of each revision whether it has a commit: whether the commit is the revision or an ancestor of it.
func (a *App) Contains(ctx context.Context, repo coupling.Repo, commit string, revs []string) (map[string]versionscan.Fact[bool], error) {
	out := map[string]versionscan.Fact[bool]{}
	key := func(rev string) string { return "in " + rev + " " + commit }
	missing := func() []string {
		var todo []string
		for _, rev := range revs {
			if rev == commit {
				out[rev] = versionscan.Know(true)
			} else if v, ok := cache.Get[bool](a.cache, key(rev)); ok {
				out[rev] = versionscan.Know(v)
			} else {
				todo = append(todo, rev)
			}
		}
		return todo
	}
	if len(missing()) >= manyRevs {
		if err := a.tagsWith(ctx, repo, commit, key); err != nil && !errors.Is(err, forge.ErrRejected) {
			for _, rev := range missing() {
				out[rev] = versionscan.NotKnown[bool](err.Error())
			}
			return out, err
		}
	}
	var failed error
	for _, rev := range missing() {
		in, err := a.has(ctx, repo, rev, commit)
		if out[rev] = in; in.Known() && sha.MatchString(rev) {
			cache.Add(a.cache, key(rev), in.Value)
		}
		failed = worse(failed, err)
	}
	return out, failed
}

// has reports whether a revision has a commit. It asks for the two counts of a comparison, and for no more of it than the least page.
func (a *App) has(ctx context.Context, repo coupling.Repo, rev, commit string) (versionscan.Fact[bool], error) {
	if c, ok := cache.Get[forge.Comparison](a.cache, compareKey(repo, commit, rev)); ok {
		return versionscan.Know(c.Behind == 0), nil
	}
	var r github.CommitsComparison
	err := a.rest(ctx, repo, http.MethodGet, fmt.Sprintf("repos/%s/compare/%s...%s?per_page=1", repo, url.PathEscape(commit), url.PathEscape(rev)), nil, &r)
	switch {
	case errors.Is(err, forge.ErrGone):
		return versionscan.NotKnown[bool](fmt.Sprintf("GitHub cannot compare %.10s and %.10s", commit, rev)), nil
	case err != nil:
		return versionscan.NotKnown[bool](err.Error()), err
	}
	return versionscan.Know(r.GetBehindBy() == 0), nil
}

func compareKey(repo coupling.Repo, base, head string) string {
	return "compare " + string(repo) + " " + base + "..." + head
}

// tagsWith learns of every tag whether it has a commit.
func (a *App) tagsWith(ctx context.Context, repo coupling.Repo, commit string, key func(string) string) error {
	cursor := ""
	err := a.pages(ctx, ofTags, repo, func(ctx context.Context, size int) (bool, error) {
		var v variables
		text := fmt.Sprintf(`%s { refs(refPrefix: "refs/tags/", first: %d%s) { nodes { name target { oid ... on Tag { target { oid } } } compare(headRef: %s) { status } } pageInfo { hasNextPage endCursor } } }`,
			v.repositoryOf("r", repo), size, after(&v, cursor), v.text(commit))
		ans, err := a.query(ctx, repo, v.declare()+" { "+text+" }", v.values)
		if err != nil {
			return false, err
		}
		var r *struct {
			Refs refPage `json:"refs"`
		}
		if err := json.Unmarshal(ans.Data["r"], &r); err != nil || r == nil {
			return false, &forge.RetryError{Err: fmt.Errorf("tags: %w", errors.Join(err, forge.ErrGone))}
		}
		for i, n := range r.Refs.Nodes {
			if n.Compare != nil && ans.at("r", "refs", "nodes", fmt.Sprint(i)) == nil {
				cache.Add(a.cache, key(n.commit().OID), n.Compare.Status == "BEHIND" || n.Compare.Status == "IDENTICAL")
			}
		}
		cursor = r.Refs.PageInfo.EndCursor
		return r.Refs.PageInfo.HasNextPage, nil
	})
	if errors.Is(err, errTooLong) { // the others are compared one by one
		return nil
	}
	return err
}

// Versions are what stood in a file at the newest commits of a revision that changed it, newest first. The present text, former ones, and absent
// where it was deleted.
func (a *App) Versions(ctx context.Context, repo coupling.Repo, rev, path string, limit int) ([]versionscan.Fact[versionscan.File], error) {
	var out []versionscan.Fact[versionscan.File]
	cursor := ""
	err := a.pages(ctx, ofVersions, repo, func(ctx context.Context, size int) (bool, error) {
		var v variables
		at := v.text(path)
		text := fmt.Sprintf(`%s { object(expression: %s) { ... on Commit { history(first: %d, path: %s%s) { nodes { file(path: %s) { object { ... on Blob { %s } } } } pageInfo { hasNextPage endCursor } } } } }`,
			v.repositoryOf("r", repo), v.text(rev), min(size, limit-len(out)), at, after(&v, cursor), at, blobFields)
		ans, err := a.query(ctx, repo, v.declare()+" { "+text+" }", v.values)
		if err != nil {
			return false, err
		}
		if err := ans.whole("r", "object"); err != nil {
			return false, err
		}
		var r *struct {
			Object *struct {
				History struct {
					Nodes []struct {
						File *struct {
							Object *blob `json:"object"`
						} `json:"file"`
					} `json:"nodes"`
					PageInfo pageInfo `json:"pageInfo"`
				} `json:"history"`
			} `json:"object"`
		}
		if err := json.Unmarshal(ans.Data["r"], &r); err != nil {
			return false, &forge.RetryError{Err: err}
		}
		if r == nil || r.Object == nil {
			return false, fmt.Errorf("%s: %s: %w", repo, rev, forge.ErrGone)
		}
		for _, n := range r.Object.History.Nodes {
			if n.File == nil || n.File.Object == nil {
				out = append(out, versionscan.None[versionscan.File]("it was deleted"))
				continue
			}
			out = append(out, a.fileOf(ctx, repo, *n.File.Object))
		}
		cursor = r.Object.History.PageInfo.EndCursor
		return r.Object.History.PageInfo.HasNextPage && len(out) < limit, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Log lists the commits of a revision since a time, newest first. Answers about a full commit id are kept.
func (a *App) Log(ctx context.Context, repo coupling.Repo, rev string, since time.Time, limit int) (versionscan.Fact[[]forge.Commit], error) {
	key := fmt.Sprintf("log %s %s %d %d", repo, rev, since.Unix(), limit)
	if c, ok := cache.Get[[]forge.Commit](a.cache, key); ok {
		return versionscan.Know(c), nil
	}
	out := []forge.Commit{}
	cursor, known := "", true
	err := a.pages(ctx, ofCommits, repo, func(ctx context.Context, size int) (bool, error) {
		var v variables
		text := fmt.Sprintf(`%s { object(expression: %s) { ... on Commit { history(first: %d, since: %s%s) { nodes { oid message committedDate authoredDate author { email } parents(first: 2) { nodes { oid } } associatedPullRequests(first: 5) { nodes { number baseRepository { nameWithOwner } } } } pageInfo { hasNextPage endCursor } } } } }`,
			v.repositoryOf("r", repo), v.text(rev), min(limit-len(out), size), v.add("GitTimestamp!", since.UTC().Format(time.RFC3339)), after(&v, cursor))
		ans, err := a.query(ctx, repo, v.declare()+" { "+text+" }", v.values)
		if err != nil {
			return false, err
		}
		// Pull requests of repositories that are not for the App have merged commits of this one.
		ans.Errors = slices.DeleteFunc(ans.Errors, func(e queryError) bool {
			return e.Type == "FORBIDDEN" && slices.Contains(e.Path, any("associatedPullRequests"))
		})
		if err := ans.whole("r", "object"); err != nil {
			return false, err
		}
		var r *struct {
			Object *struct {
				History struct {
					Nodes []struct {
						OID           string    `json:"oid"`
						Message       string    `json:"message"`
						CommittedDate time.Time `json:"committedDate"`
						AuthoredDate  time.Time `json:"authoredDate"`
						Author        *struct {
							Email string `json:"email"`
						} `json:"author"`
						Parents struct {
							Nodes []struct {
								OID string `json:"oid"`
							} `json:"nodes"`
						} `json:"parents"`
						AssociatedPullRequests struct {
							Nodes []struct {
								Number         int `json:"number"`
								BaseRepository *struct {
									NameWithOwner string `json:"nameWithOwner"`
								} `json:"baseRepository"`
							} `json:"nodes"`
						} `json:"associatedPullRequests"`
					} `json:"nodes"`
					PageInfo pageInfo `json:"pageInfo"`
				} `json:"history"`
			} `json:"object"`
		}
		if err := json.Unmarshal(ans.Data["r"], &r); err != nil {
			return false, &forge.RetryError{Err: err}
		}
		if r == nil || r.Object == nil {
			known = false
			return false, nil
		}
		for _, n := range r.Object.History.Nodes {
			c := forge.Commit{SHA: n.OID, Message: n.Message, Date: n.CommittedDate, Authored: n.AuthoredDate}
			if n.Author != nil {
				c.Author = n.Author.Email
			}
			for _, p := range n.Parents.Nodes {
				c.Parents = append(c.Parents, p.OID)
			}
			for _, p := range n.AssociatedPullRequests.Nodes {
				if p.BaseRepository != nil && repo.Same(coupling.Repo(p.BaseRepository.NameWithOwner)) {
					c.Pulls = append(c.Pulls, p.Number)
				}
			}
			out = append(out, c)
		}
		cursor = r.Object.History.PageInfo.EndCursor
		return r.Object.History.PageInfo.HasNextPage && len(out) < limit, nil
	})
	switch {
	case err != nil:
		return versionscan.NotKnown[[]forge.Commit](err.Error()), err
	case !known:
		return versionscan.NotKnown[[]forge.Commit]("the commit " + rev + " cannot be read"), nil
	}
	if sha.MatchString(rev) {
		cache.Add(a.cache, key, out)
	}
	return versionscan.Know(out), nil
}
