package ghapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/go-github/v62/github"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/versionscan"
)

// cached looks up a fact about something that never changes.
func cached[T any](a *App, key string) (T, bool) {
	if v, ok := a.cache.Get(key); ok {
		if t, ok := v.(T); ok {
			return t, true
		}
	}
	var zero T
	return zero, false
}

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
	t, err := a.transport(ctx, repo)
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
		return nil, res.StatusCode, classify(res.StatusCode, res.Header, false, errors.New(res.Status))
	}
	text, err = io.ReadAll(io.LimitReader(res.Body, maxBlob+1))
	return text, res.StatusCode, err
}

// Diff is the unified diff of a commit against its first parent.
func (a *App) Diff(ctx context.Context, repo coupling.Repo, commit string) (versionscan.Fact[string], error) {
	key := "diff " + commit
	if d, ok := cached[string](a, key); ok {
		return versionscan.Know(d), nil
	}
	text, status, err := a.raw(ctx, repo, "commits/"+url.PathEscape(commit), "application/vnd.github.diff")
	switch {
	case status == http.StatusNotAcceptable, status == http.StatusUnprocessableEntity, len(text) > maxBlob:
		return versionscan.Know(""), nil // too large a change for GitHub to show: no patch to compare
	case err != nil:
		return versionscan.NotKnown[string](err.Error()), err
	}
	if sha.MatchString(commit) && len(text) <= cacheText {
		a.cache.Add(key, string(text))
	}
	return versionscan.Know(string(text)), nil
}

var sha = regexp.MustCompile(`^[0-9a-f]{40}$`)

// fileBatch is how many files one query asks for.
const fileBatch = 50

// Files reads files at commits. What is not there is absent. Answers about full commit ids are kept.
func (a *App) Files(ctx context.Context, repo coupling.Repo, at []forge.At) (map[forge.At]fileFact, error) {
	out := map[forge.At]fileFact{}
	var todo []forge.At
	for _, f := range at {
		if oid, ok := cached[string](a, "path "+f.Commit+":"+f.Path); ok {
			if oid == "" {
				out[f] = versionscan.None[versionscan.File]("")
				continue
			}
			if file, ok := cached[versionscan.File](a, "blob "+oid); ok {
				out[f] = versionscan.Know(file)
				continue
			}
		}
		todo = append(todo, f)
	}
	err := chunked(todo, fileBatch, func(part []forge.At) error { return a.files(ctx, repo, part, out) })
	if err != nil {
		for _, f := range todo {
			if _, done := out[f]; !done {
				out[f] = versionscan.NotKnown[versionscan.File](err.Error())
			}
		}
	}
	return out, err
}

func (a *App) files(ctx context.Context, repo coupling.Repo, at []forge.At, out map[forge.At]fileFact) error {
	// Across releases a file rarely changes: many files are asked for by id first, and each text once.
	fields := blobFields
	if len(at) > 4 {
		fields = "oid byteSize isBinary isTruncated"
	}
	var v variables
	var b strings.Builder
	for i, f := range at {
		fmt.Fprintf(&b, "f%d: object(expression: %s) { __typename ... on Blob { %s } }\n", i, v.text(f.Commit+":"+f.Path), fields)
	}
	text := v.repositoryOf("r", repo)
	ans, err := a.query(ctx, repo, v.declare()+" { "+text+" {\n"+b.String()+"} }", v.values)
	if err != nil {
		return err
	}
	var r map[string]*struct {
		Typename string `json:"__typename"`
		blob
	}
	if err := json.Unmarshal(ans.Data["r"], &r); err != nil {
		return &forge.RetryError{Err: err}
	}
	if r == nil {
		return fmt.Errorf("%s: files: %w", repo, forge.ErrGone)
	}
	need := map[string]blob{}
	blobs := map[forge.At]blob{}
	for i, f := range at {
		alias := fmt.Sprintf("f%d", i)
		switch n := r[alias]; {
		case n == nil && ans.at("r", alias) != nil:
			out[f] = versionscan.NotKnown[versionscan.File](ans.at("r", alias).Message)
		case n == nil, n.Typename != "Blob":
			out[f] = versionscan.None[versionscan.File]("")
			a.keepPath(f, "")
		default:
			blobs[f] = n.blob
			if _, ok := cached[versionscan.File](a, "blob "+n.OID); !ok && len(at) > 4 {
				need[n.OID] = n.blob
			} else if !ok {
				a.keep(n.OID, a.fileOf(ctx, repo, n.blob))
			}
		}
	}
	if len(need) > 0 {
		if err := a.texts(ctx, repo, need); err != nil {
			return err
		}
	}
	for f, n := range blobs {
		if file, ok := cached[versionscan.File](a, "blob "+n.OID); ok {
			out[f] = versionscan.Know(file)
			a.keepPath(f, n.OID)
		} else {
			out[f] = a.fileOf(ctx, repo, n) // too large to keep
		}
	}
	return nil
}

// texts reads the texts of blobs into the cache.
func (a *App) texts(ctx context.Context, repo coupling.Repo, need map[string]blob) error {
	var ids []string
	for id := range need {
		ids = append(ids, id)
	}
	return chunked(ids, fileBatch, func(part []string) error {
		var v variables
		var b strings.Builder
		for i, id := range part {
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
		for i, id := range part {
			if n := r[fmt.Sprintf("b%d", i)]; n != nil && n.OID == id {
				a.keep(id, a.fileOf(ctx, repo, *n))
			}
		}
		return nil
	})
}

func (a *App) keep(oid string, f fileFact) {
	if f.Known() && len(f.Value.Text) <= maxBlob {
		a.cache.Add("blob "+oid, f.Value)
	}
}

func (a *App) keepPath(f forge.At, oid string) {
	if sha.MatchString(f.Commit) {
		a.cache.Add("path "+f.Commit+":"+f.Path, oid)
	}
}

// Tree lists all files of a commit.
func (a *App) Tree(ctx context.Context, repo coupling.Repo, commit string) (versionscan.Fact[[]forge.Entry], error) {
	key := "tree " + commit
	if t, ok := cached[[]forge.Entry](a, key); ok {
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
	if err := a.rest(ctx, repo, http.MethodGet, "repos/"+string(repo)+"/git/trees/"+url.PathEscape(commit)+"?recursive=1", nil, &r); err != nil {
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
	if sha.MatchString(commit) {
		a.cache.Add(key, out)
	}
	return versionscan.Know(out), nil
}

// maxCompare bounds the pages of a comparison.
const maxCompare = 20

// Compare compares base...head. Answers about full commit ids are kept.
func (a *App) Compare(ctx context.Context, repo coupling.Repo, base, head string) (versionscan.Fact[forge.Comparison], error) {
	key := "compare " + string(repo) + " " + base + "..." + head
	if c, ok := cached[forge.Comparison](a, key); ok {
		return versionscan.Know(c), nil
	}
	var out forge.Comparison
	for page := 1; page <= maxCompare; page++ {
		var r github.CommitsComparison
		path := fmt.Sprintf("repos/%s/compare/%s...%s?per_page=100&page=%d", repo, url.PathEscape(base), url.PathEscape(head), page)
		res, err := a.page(ctx, repo, http.MethodGet, path, nil, &r)
		if errors.Is(err, forge.ErrGone) {
			return versionscan.NotKnown[forge.Comparison](fmt.Sprintf("GitHub cannot compare %.10s and %.10s", base, head)), nil
		}
		if err != nil {
			return versionscan.NotKnown[forge.Comparison](err.Error()), err
		}
		out.Ahead, out.Behind, out.MergeBase = r.GetAheadBy(), r.GetBehindBy(), r.GetMergeBaseCommit().GetSHA()
		for _, c := range r.Commits {
			commit := forge.Commit{SHA: c.GetSHA(), Message: c.GetCommit().GetMessage(), Date: c.GetCommit().GetCommitter().GetDate().Time,
				Author: c.GetCommit().GetAuthor().GetEmail(), Authored: c.GetCommit().GetAuthor().GetDate().Time}
			for _, p := range c.Parents {
				commit.Parents = append(commit.Parents, p.GetSHA())
			}
			out.Commits = append(out.Commits, commit)
		}
		if res.NextPage == 0 || len(r.Commits) == 0 {
			break
		}
	}
	if sha.MatchString(base) && sha.MatchString(head) {
		a.cache.Add(key, out)
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
			} else if v, ok := cached[bool](a, key(rev)); ok {
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
		c, err := a.Compare(ctx, repo, commit, rev)
		switch {
		case c.Known():
			in := c.Value.Behind == 0
			out[rev] = versionscan.Know(in)
			if sha.MatchString(rev) {
				a.cache.Add(key(rev), in)
			}
		default:
			out[rev] = versionscan.NotKnown[bool](c.Why)
			failed = worse(failed, err)
		}
	}
	return out, failed
}

// tagsWith learns of every tag whether it has a commit.
func (a *App) tagsWith(ctx context.Context, repo coupling.Repo, commit string, key func(string) string) error {
	cursor := ""
	for range maxPages {
		var v variables
		after := ""
		if cursor != "" {
			after = ", after: " + v.text(cursor)
		}
		text := fmt.Sprintf(`%s { refs(refPrefix: "refs/tags/", first: 50%s) { nodes { name target { oid ... on Tag { target { oid } } } compare(headRef: %s) { status } } pageInfo { hasNextPage endCursor } } }`,
			v.repositoryOf("r", repo), after, v.text(commit))
		ans, err := a.query(ctx, repo, v.declare()+" { "+text+" }", v.values)
		if err != nil {
			return err
		}
		var r *struct {
			Refs refPage `json:"refs"`
		}
		if err := json.Unmarshal(ans.Data["r"], &r); err != nil || r == nil {
			return &forge.RetryError{Err: fmt.Errorf("tags: %w", errors.Join(err, forge.ErrGone))}
		}
		for _, n := range r.Refs.Nodes {
			if n.Compare != nil {
				oid, _ := n.commit()
				a.cache.Add(key(oid), n.Compare.Status == "BEHIND" || n.Compare.Status == "IDENTICAL")
			}
		}
		if !r.Refs.PageInfo.HasNextPage {
			return nil
		}
		cursor = r.Refs.PageInfo.EndCursor
	}
	return nil
}

// Log lists the commits of a revision since a time, newest first. Answers about a full commit id are kept.
func (a *App) Log(ctx context.Context, repo coupling.Repo, rev string, since time.Time, limit int) (versionscan.Fact[[]forge.Commit], error) {
	key := fmt.Sprintf("log %s %s %d %d", repo, rev, since.Unix(), limit)
	if c, ok := cached[[]forge.Commit](a, key); ok {
		return versionscan.Know(c), nil
	}
	out := []forge.Commit{}
	cursor := ""
	for len(out) < limit {
		var v variables
		after := ""
		if cursor != "" {
			after = ", after: " + v.text(cursor)
		}
		text := fmt.Sprintf(`%s { object(expression: %s) { ... on Commit { history(first: %d, since: %s%s) { nodes { oid message committedDate authoredDate author { email } parents(first: 2) { nodes { oid } } associatedPullRequests(first: 5) { nodes { number baseRepository { nameWithOwner } } } } pageInfo { hasNextPage endCursor } } } } }`,
			v.repositoryOf("r", repo), v.text(rev), min(limit-len(out), 100), v.add("GitTimestamp!", since.UTC().Format(time.RFC3339)), after)
		ans, err := a.query(ctx, repo, v.declare()+" { "+text+" }", v.values)
		if err != nil {
			return versionscan.NotKnown[[]forge.Commit](err.Error()), err
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
					PageInfo struct {
						HasNextPage bool   `json:"hasNextPage"`
						EndCursor   string `json:"endCursor"`
					} `json:"pageInfo"`
				} `json:"history"`
			} `json:"object"`
		}
		if err := json.Unmarshal(ans.Data["r"], &r); err != nil {
			return versionscan.NotKnown[[]forge.Commit](err.Error()), &forge.RetryError{Err: err}
		}
		if r == nil || r.Object == nil {
			return versionscan.NotKnown[[]forge.Commit]("the commit " + rev + " cannot be read"), nil
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
		if !r.Object.History.PageInfo.HasNextPage {
			break
		}
		cursor = r.Object.History.PageInfo.EndCursor
	}
	if sha.MatchString(rev) {
		a.cache.Add(key, out)
	}
	return versionscan.Know(out), nil
}
