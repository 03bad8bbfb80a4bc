package ghapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/cache"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/versionscan"
)

// Repositories lists every repository of every installation that is not suspended.
func (a *App) Repositories(ctx context.Context) ([]forge.Repository, error) {
	installs, err := a.Installations(ctx)
	if err != nil {
		return nil, err
	}
	var out []forge.Repository
	for _, in := range installs {
		if in.Suspended {
			continue
		}
		repos, err := a.installed(ctx, in.ID)
		if errors.Is(err, forge.ErrSuspended) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, repos...)
	}
	a.mu.Lock()
	clear(a.installs)
	for _, r := range out {
		a.installs[r.Name] = r.Installation
	}
	a.mu.Unlock()
	slices.SortFunc(out, func(a, b forge.Repository) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return out, nil
}

func (a *App) installed(ctx context.Context, id int64) ([]forge.Repository, error) {
	// The list is asked for as the installation, which is addressed here by a name that no repository has.
	probe := coupling.Repo(fmt.Sprintf("installation/%d", id))
	a.mu.Lock()
	a.installs[probe] = id
	a.mu.Unlock()
	defer a.forget(probe)
	var out []forge.Repository
	for page := 1; page <= maxPages; page++ {
		var list struct {
			Repositories []struct {
				ID            int64  `json:"id"`
				FullName      string `json:"full_name"`
				Private       bool   `json:"private"`
				Archived      bool   `json:"archived"`
				DefaultBranch string `json:"default_branch"`
			} `json:"repositories"`
		}
		res, err := a.page(ctx, probe, http.MethodGet, fmt.Sprintf("installation/repositories?per_page=100&page=%d", page), nil, &list)
		if err != nil {
			return nil, err
		}
		for _, r := range list.Repositories {
			out = append(out, forge.Repository{ID: r.ID, Name: coupling.Repo(r.FullName), Installation: id, Private: r.Private, Archived: r.Archived, Default: r.DefaultBranch})
		}
		if res.NextPage == 0 {
			break
		}
	}
	return out, nil
}

// byInstallation groups things by the installation that may read them; the error of each group that has none is
// given to fail.
func byInstallation[T any](ctx context.Context, a *App, items []T, repo func(T) coupling.Repo, fail func(T, error)) [][]T {
	groups := map[int64][]T{}
	var order []int64
	errs := map[coupling.Repo]error{}
	for _, it := range items {
		r := repo(it)
		if err, bad := errs[r]; bad {
			fail(it, err)
			continue
		}
		var id int64
		if a.s.Token == "" {
			var err error
			if id, err = a.installation(ctx, r); err != nil {
				errs[r] = err
				fail(it, err)
				continue
			}
		}
		if _, ok := groups[id]; !ok {
			order = append(order, id)
		}
		groups[id] = append(groups[id], it)
	}
	var out [][]T
	for _, id := range order {
		out = append(out, groups[id])
	}
	return out
}

// worse keeps the error that most deserves a retry.
func worse(a, b error) error {
	var retry *forge.RetryError
	if a == nil || b != nil && errors.As(b, &retry) {
		return b
	}
	return a
}

const blobFields = `oid byteSize isBinary isTruncated text`

type blob struct {
	OID         string  `json:"oid"`
	ByteSize    int64   `json:"byteSize"`
	IsBinary    *bool   `json:"isBinary"`
	IsTruncated bool    `json:"isTruncated"`
	Text        *string `json:"text"`
}

type refNode struct {
	Name    string     `json:"name"`
	Target  commitNode `json:"target"`
	Compare *struct {
		Status string `json:"status"`
	} `json:"compare"`
}

// commitNode is what a ref points at: a commit, or a tag object that points at one.
type commitNode struct {
	OID           string
	CommittedDate time.Time
	Target        *commitNode
	Files         map[string]*entryNode // by alias
}

// UnmarshalJSON also takes the files, whose aliases are f0, f1, ….
func (n *commitNode) UnmarshalJSON(text []byte) error {
	var fields struct {
		OID           string      `json:"oid"`
		CommittedDate time.Time   `json:"committedDate"`
		Target        *commitNode `json:"target"`
	}
	var all map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(text, &fields), json.Unmarshal(text, &all)); err != nil {
		return err
	}
	n.OID, n.CommittedDate, n.Target = fields.OID, fields.CommittedDate, fields.Target
	for alias, raw := range all {
		if len(alias) < 2 || alias[0] != 'f' || alias[1] < '0' || alias[1] > '9' {
			continue
		}
		var e *entryNode
		if err := json.Unmarshal(raw, &e); err != nil {
			return err
		}
		if n.Files == nil {
			n.Files = map[string]*entryNode{}
		}
		n.Files[alias] = e
	}
	return nil
}

// commit peels an annotated tag.
func (n refNode) commit() commitNode {
	c := n.Target
	for c.Target != nil {
		c = *c.Target
	}
	return c
}

type refPage struct {
	Nodes    []refNode `json:"nodes"`
	Total    int       `json:"totalCount"`
	PageInfo struct {
		HasNextPage bool   `json:"hasNextPage"`
		EndCursor   string `json:"endCursor"`
	} `json:"pageInfo"`
}

// refFields asks for refs with what stands at some paths of their commits.
func refFields(v *variables, paths []string) string {
	of := "committedDate"
	for i, p := range paths {
		of += fmt.Sprintf(" f%d: file(path: %s) { oid mode type }", i, v.text(p))
	}
	return "totalCount nodes { name target { oid ... on Commit { " + of + " } ... on Tag { target { oid ... on Commit { " + of + " } } } } } pageInfo { hasNextPage endCursor }"
}

// newestTags is where tags are listed from: those that were made last come first.
const newestTags = `refPrefix: "refs/tags/", orderBy: {field: TAG_COMMIT_DATE, direction: DESC}, first: 100`

// Survey reads repositories as a whole, several in one query.
func (a *App) Survey(ctx context.Context, requests []forge.SurveyRequest) (map[coupling.Repo]versionscan.Fact[forge.Survey], error) {
	out := map[coupling.Repo]versionscan.Fact[forge.Survey]{}
	var failed error
	fail := func(q forge.SurveyRequest, err error) {
		out[q.Repo] = versionscan.NotKnown[forge.Survey](err.Error())
		failed = worse(failed, err)
	}
	for _, group := range byInstallation(ctx, a, requests, func(q forge.SurveyRequest) coupling.Repo { return q.Repo }, fail) {
		err := chunked(group, 10, func(part []forge.SurveyRequest) error {
			err := a.survey(ctx, part, out)
			if errors.Is(err, errTooMuch) && len(part) == 1 && len(part[0].Paths) > 0 {
				alone := part[0]
				alone.Paths = nil // the files are asked for later, in batches that shrink
				err = a.survey(ctx, []forge.SurveyRequest{alone}, out)
			}
			return err
		})
		if err != nil {
			for _, q := range group {
				if _, done := out[q.Repo]; !done {
					fail(q, err)
				}
			}
		}
	}
	return out, failed
}

func (a *App) survey(ctx context.Context, requests []forge.SurveyRequest, out map[coupling.Repo]versionscan.Fact[forge.Survey]) error {
	var v variables
	var b strings.Builder
	for i, q := range requests {
		fmt.Fprintf(&b, "%s { databaseId nameWithOwner isPrivate isArchived defaultBranchRef { name target { oid } }\n", v.repositoryOf(fmt.Sprintf("r%d", i), q.Repo))
		fmt.Fprintf(&b, "policy: object(expression: %s) { ... on Blob { %s } }\n", v.text("HEAD:.github/relbot.yml"), blobFields)
		if !q.NoTags {
			fmt.Fprintf(&b, "tags: refs(%s) { %s }\n", newestTags, refFields(&v, q.Paths))
		}
		for k, p := range q.Prefixes {
			fmt.Fprintf(&b, "h%d: refs(refPrefix: \"refs/heads/\", query: %s, first: 100) { %s }\n", k, v.text(p), refFields(&v, nil))
		}
		for k, name := range q.Branches {
			fmt.Fprintf(&b, "b%d: ref(qualifiedName: %s) { name target { oid } }\n", k, v.text("refs/heads/"+name))
			fmt.Fprintf(&b, "q%d: mergeQueue(branch: %s) { id }\n", k, v.text(name))
		}
		b.WriteString("}\n")
	}
	ans, err := a.query(ctx, requests[0].Repo, v.declare()+" {\n"+b.String()+"}", v.values)
	if err != nil {
		return err
	}
	for i, q := range requests {
		alias := fmt.Sprintf("r%d", i)
		raw := ans.Data[alias]
		if len(raw) == 0 || string(raw) == "null" {
			why := "GitHub knows no such repository, or the App may not read it"
			if e := ans.at(alias); e != nil {
				why = e.Message
			}
			out[q.Repo] = versionscan.NotKnown[forge.Survey](why)
			continue
		}
		s, err := a.surveyed(ctx, q, alias, raw, ans)
		if err != nil {
			return err
		}
		out[q.Repo] = versionscan.Know(s)
	}
	return nil
}

// surveyed takes one repository out of an answer and reads the further pages of its refs.
func (a *App) surveyed(ctx context.Context, q forge.SurveyRequest, alias string, raw json.RawMessage, ans answer) (forge.Survey, error) {
	var r struct {
		DatabaseID       int64  `json:"databaseId"`
		NameWithOwner    string `json:"nameWithOwner"`
		IsPrivate        bool   `json:"isPrivate"`
		IsArchived       bool   `json:"isArchived"`
		DefaultBranchRef *struct {
			Name   string `json:"name"`
			Target struct {
				OID string `json:"oid"`
			} `json:"target"`
		} `json:"defaultBranchRef"`
		Policy *blob    `json:"policy"`
		Tags   *refPage `json:"tags"`
	}
	fields := map[string]json.RawMessage{}
	if err := errors.Join(json.Unmarshal(raw, &r), json.Unmarshal(raw, &fields)); err != nil {
		return forge.Survey{}, &forge.RetryError{Err: err}
	}
	s := forge.Survey{Repository: forge.Repository{ID: r.DatabaseID, Name: coupling.Repo(r.NameWithOwner), Private: r.IsPrivate, Archived: r.IsArchived}, Queues: map[string]bool{}}
	a.mu.Lock()
	s.Installation = a.installs[q.Repo]
	a.mu.Unlock()
	if r.DefaultBranchRef != nil {
		s.Default, s.Tip = r.DefaultBranchRef.Name, r.DefaultBranchRef.Target.OID
	}
	switch {
	case r.Policy != nil:
		s.PolicyID = r.Policy.OID
		s.Policy = a.fileOf(ctx, q.Repo, *r.Policy)
	case ans.at(alias, "policy") != nil:
		s.Policy = versionscan.NotKnown[versionscan.File](ans.at(alias, "policy").Message)
	default:
		s.Policy = versionscan.None[versionscan.File]("there is no policy file")
	}
	if r.Tags != nil {
		s.Tags = a.listTags(ctx, q, *r.Tags)
	} else if e := ans.at(alias, "tags"); e != nil {
		s.Tags.Why = e.Message
	}
	heads := map[string]string{}
	for k := range q.Prefixes {
		var page refPage
		if err := json.Unmarshal(fields[fmt.Sprintf("h%d", k)], &page); err != nil {
			return s, &forge.RetryError{Err: fmt.Errorf("branches: %w", err)}
		}
		by := func(v *variables) string {
			return fmt.Sprintf(`refPrefix: "refs/heads/", query: %s, first: 100`, v.text(q.Prefixes[k]))
		}
		for {
			for _, n := range page.Nodes {
				if strings.HasPrefix(n.Name, q.Prefixes[k]) {
					heads[n.Name] = n.Target.OID
				}
			}
			if !page.PageInfo.HasNextPage {
				break
			}
			var err error
			if len(heads) > maxTags {
				err = fmt.Errorf("there are more than %d branches", maxTags)
			} else {
				page, err = a.refs(ctx, q.Repo, by, page.PageInfo.EndCursor, nil)
			}
			if err != nil {
				s.Branches.Why = err.Error()
				return s, nil
			}
		}
	}
	for k, name := range q.Branches {
		var ref *refNode
		if raw := fields[fmt.Sprintf("b%d", k)]; len(raw) > 0 {
			if err := json.Unmarshal(raw, &ref); err != nil {
				return s, &forge.RetryError{Err: fmt.Errorf("branch: %w", err)}
			}
		}
		if ref != nil {
			heads[name] = ref.Target.OID
		}
		queue := fields[fmt.Sprintf("q%d", k)]
		s.Queues[name] = len(queue) > 0 && string(queue) != "null"
	}
	s.Branches = versionscan.Know(heads)
	return s, nil
}

// tagList is what is known of a repository's tags.
type tagList struct {
	tags   map[string]versionscan.Tag
	listed time.Time // when all of them were
}

// tagsListed is for how long a list of tags is brought up to date from the newest hundred alone. It bounds for how long a tag goes unnoticed
// that is not among them and was moved: additions and deletions change the count.
const tagsListed = time.Hour

// listTags lists all tags. While the newest ones and the count agree with what is known no further page is read.
func (a *App) listTags(ctx context.Context, q forge.SurveyRequest, page refPage) versionscan.Fact[[]versionscan.Tag] {
	a.mu.Lock()
	known := a.tags[q.Repo]
	a.mu.Unlock()
	if known == nil {
		known = &tagList{}
	}
	list := &tagList{tags: maps.Clone(known.tags), listed: known.listed}
	list.take(a, q, page)
	if len(list.tags) != page.Total || time.Since(list.listed) > tagsListed || a.unplaced(q, list) > 2*fileBatch {
		list = &tagList{listed: time.Now()}
		for {
			list.take(a, q, page)
			if !page.PageInfo.HasNextPage {
				break
			}
			if len(list.tags) > maxTags {
				return versionscan.NotKnown[[]versionscan.Tag](fmt.Sprintf("there are more than %d tags", maxTags))
			}
			cursor := page.PageInfo.EndCursor
			next := func(paths []string) (refPage, error) {
				return a.refs(ctx, q.Repo, func(*variables) string { return newestTags }, cursor, paths)
			}
			var err error
			if page, err = next(q.Paths); errors.Is(err, errTooMuch) && len(q.Paths) > 0 {
				q.Paths = nil
				page, err = next(nil)
			}
			if err != nil {
				return versionscan.NotKnown[[]versionscan.Tag](err.Error())
			}
		}
	}
	a.mu.Lock()
	a.tags[q.Repo] = list
	a.mu.Unlock()
	out := slices.Collect(maps.Values(list.tags))
	slices.SortFunc(out, func(a, b versionscan.Tag) int { return strings.Compare(a.Name, b.Name) })
	return versionscan.Know(out)
}

// maxTags bounds the tags of a repository.
const maxTags = 150_000

// take takes over a page.
func (l *tagList) take(a *App, q forge.SurveyRequest, page refPage) {
	if l.tags == nil {
		l.tags = map[string]versionscan.Tag{}
	}
	for _, n := range page.Nodes {
		c := n.commit()
		l.tags[n.Name] = versionscan.Tag{Name: n.Name, Commit: c.OID, Date: c.CommittedDate}
		for i, path := range q.Paths {
			if e, asked := c.Files[fmt.Sprintf("f%d", i)]; asked {
				a.keepPlace(c.OID, path, e)
			}
		}
	}
}

// unplaced counts the files of tags that nobody asked for yet; many of them are cheaper to learn with the list.
func (a *App) unplaced(q forge.SurveyRequest, list *tagList) int {
	n := 0
	for _, t := range list.tags {
		for _, path := range q.Paths {
			if _, ok := cache.Get[place](a.cache, placeKey(t.Commit, path)); !ok {
				n++
			}
		}
	}
	return n
}

// refs reads a page of refs; by names them, as the arguments of GraphQL's field.
func (a *App) refs(ctx context.Context, repo coupling.Repo, by func(*variables) string, cursor string, paths []string) (refPage, error) {
	var v variables
	fields := refFields(&v, paths)
	text := fmt.Sprintf("%s { refs(%s, after: %s) { %s } }", v.repositoryOf("r", repo), by(&v), v.text(cursor), fields)
	ans, err := a.query(ctx, repo, v.declare()+" { "+text+" }", v.values)
	if err != nil {
		return refPage{}, err
	}
	var r struct {
		Refs refPage `json:"refs"`
	}
	if err := json.Unmarshal(ans.Data["r"], &r); err != nil {
		return refPage{}, &forge.RetryError{Err: fmt.Errorf("refs: %w", err)}
	}
	return r.Refs, nil
}

const pullFields = `databaseId id number title body url state merged isDraft author { login __typename } baseRefName headRefName headRefOid isCrossRepository
mergeCommit { oid } mergedAt mergedBy { login } closedAt updatedAt potentialMergeCommit { oid parents(first: 2) { nodes { oid } } policy: file(path: ".github/relbot.yml") { oid } } commits(last: 1) { nodes { commit { oid tree { oid } } } }`

type pullNode struct {
	DatabaseID int64  `json:"databaseId"`
	ID         string `json:"id"`
	Number     int    `json:"number"`
	Title      string `json:"title"`
	Body       string `json:"body"`
	URL        string `json:"url"`
	State      string `json:"state"`
	IsDraft    bool   `json:"isDraft"`
	Author     *struct {
		Login    string `json:"login"`
		Typename string `json:"__typename"`
	} `json:"author"`
	BaseRefName       string `json:"baseRefName"`
	HeadRefName       string `json:"headRefName"`
	HeadRefOID        string `json:"headRefOid"`
	IsCrossRepository bool   `json:"isCrossRepository"`
	MergeCommit       *struct {
		OID string `json:"oid"`
	} `json:"mergeCommit"`
	MergedAt *time.Time `json:"mergedAt"`
	MergedBy *struct {
		Login string `json:"login"`
	} `json:"mergedBy"`
	ClosedAt             *time.Time `json:"closedAt"`
	UpdatedAt            time.Time  `json:"updatedAt"`
	PotentialMergeCommit *struct {
		OID    string `json:"oid"`
		Policy *struct {
			OID string `json:"oid"`
		} `json:"policy"`
		Parents struct {
			Nodes []struct {
				OID string `json:"oid"`
			} `json:"nodes"`
		} `json:"parents"`
	} `json:"potentialMergeCommit"`
	Commits struct {
		Nodes []struct {
			Commit struct {
				OID  string `json:"oid"`
				Tree struct {
					OID string `json:"oid"`
				} `json:"tree"`
			} `json:"commit"`
		} `json:"nodes"`
	} `json:"commits"`
}

func (n pullNode) pull(repo coupling.Repo, private bool) forge.Pull {
	p := forge.Pull{
		ID: n.DatabaseID, NodeID: n.ID, Pull: coupling.Pull{Repo: repo, Number: n.Number}, Title: n.Title, Body: n.Body, URL: n.URL,
		State: strings.ToLower(n.State), Draft: n.IsDraft, Base: n.BaseRefName, Head: n.HeadRefOID, HeadRef: n.HeadRefName,
		Fork: n.IsCrossRepository, Private: private, UpdatedAt: n.UpdatedAt,
	}
	if n.Author != nil {
		p.Author, p.AuthorBot = n.Author.Login, n.Author.Typename == "Bot"
	}
	if n.MergeCommit != nil {
		p.Merge = n.MergeCommit.OID
	}
	if n.MergedAt != nil {
		p.MergedAt = *n.MergedAt
	}
	if n.MergedBy != nil {
		p.MergedBy = n.MergedBy.Login
	}
	if n.ClosedAt != nil {
		p.ClosedAt = *n.ClosedAt
	}
	if m := n.PotentialMergeCommit; m != nil {
		p.TestMerge = m.OID
		for _, parent := range m.Parents.Nodes {
			p.TestParents = append(p.TestParents, parent.OID)
		}
		if m.Policy != nil {
			p.TestPolicy = m.Policy.OID
		}
	}
	if c := n.Commits.Nodes; len(c) > 0 && c[0].Commit.OID == n.HeadRefOID {
		p.Tree = c[0].Commit.Tree.OID
	}
	return p
}

// pullBatch is how many pull requests one query asks for.
const pullBatch = 50

// Pulls reads pull requests, those of one installation in as few queries as possible. One that GitHub does not know is
// absent; one that cannot be read is unknown.
func (a *App) Pulls(ctx context.Context, pulls []coupling.Pull) (map[coupling.Pull]versionscan.Fact[forge.Pull], error) {
	out := map[coupling.Pull]versionscan.Fact[forge.Pull]{}
	var failed error
	fail := func(p coupling.Pull, err error) {
		out[p] = versionscan.NotKnown[forge.Pull](err.Error())
		failed = worse(failed, err)
	}
	for _, group := range byInstallation(ctx, a, pulls, func(p coupling.Pull) coupling.Repo { return p.Repo }, fail) {
		err := chunked(group, pullBatch, func(part []coupling.Pull) error { return a.pulls(ctx, part, out) })
		if err != nil {
			for _, p := range group {
				if _, done := out[p]; !done {
					fail(p, err)
				}
			}
		}
	}
	return out, failed
}

func (a *App) pulls(ctx context.Context, pulls []coupling.Pull, out map[coupling.Pull]versionscan.Fact[forge.Pull]) error {
	var repos []coupling.Repo
	byRepo := map[coupling.Repo][]coupling.Pull{}
	for _, p := range pulls {
		if byRepo[p.Repo] == nil {
			repos = append(repos, p.Repo)
		}
		byRepo[p.Repo] = append(byRepo[p.Repo], p)
	}
	var v variables
	var b strings.Builder
	for i, repo := range repos {
		fmt.Fprintf(&b, "%s { nameWithOwner isPrivate\n", v.repositoryOf(fmt.Sprintf("r%d", i), repo))
		for _, p := range byRepo[repo] {
			fmt.Fprintf(&b, "p%d: pullRequest(number: %d) { ...pull }\n", p.Number, p.Number)
		}
		b.WriteString("}\n")
	}
	ans, err := a.query(ctx, repos[0], v.declare()+" {\n"+b.String()+"}\nfragment pull on PullRequest { "+pullFields+" }", v.values)
	if err != nil {
		return err
	}
	for i, repo := range repos {
		alias := fmt.Sprintf("r%d", i)
		var fields map[string]json.RawMessage
		private := false
		if raw := ans.Data[alias]; len(raw) > 0 {
			if err := json.Unmarshal(raw, &fields); err != nil {
				return &forge.RetryError{Err: err}
			}
			_ = json.Unmarshal(fields["isPrivate"], &private) // null when the repository is
		}
		for _, p := range byRepo[repo] {
			key := fmt.Sprintf("p%d", p.Number)
			raw := fields[key]
			if len(raw) == 0 || string(raw) == "null" {
				e := ans.at(alias, key)
				switch {
				case fields == nil:
					out[p] = versionscan.NotKnown[forge.Pull]("the repository cannot be read")
				case e == nil || e.Type == "NOT_FOUND":
					out[p] = versionscan.None[forge.Pull]("GitHub knows no such pull request")
				default:
					out[p] = versionscan.NotKnown[forge.Pull](e.Message)
				}
				continue
			}
			var n pullNode
			if err := json.Unmarshal(raw, &n); err != nil {
				return &forge.RetryError{Err: err}
			}
			out[p] = versionscan.Know(n.pull(repo, private))
		}
	}
	return nil
}

// OpenPulls lists a repository's open pull requests.
func (a *App) OpenPulls(ctx context.Context, repo coupling.Repo) ([]forge.Pull, error) {
	var out []forge.Pull
	cursor := ""
	for range maxPages {
		var v variables
		after := ""
		if cursor != "" {
			after = ", after: " + v.text(cursor)
		}
		text := fmt.Sprintf("%s { isPrivate pullRequests(states: [OPEN], first: 50%s) { nodes { ...pull } pageInfo { hasNextPage endCursor } } }", v.repositoryOf("r", repo), after)
		ans, err := a.query(ctx, repo, v.declare()+" { "+text+" }\nfragment pull on PullRequest { "+pullFields+" }", v.values)
		if err != nil {
			return nil, fmt.Errorf("%s: open pull requests: %w", repo, err)
		}
		var r *struct {
			IsPrivate    bool `json:"isPrivate"`
			PullRequests struct {
				Nodes    []pullNode `json:"nodes"`
				PageInfo struct {
					HasNextPage bool   `json:"hasNextPage"`
					EndCursor   string `json:"endCursor"`
				} `json:"pageInfo"`
			} `json:"pullRequests"`
		}
		if err := json.Unmarshal(ans.Data["r"], &r); err != nil {
			return nil, &forge.RetryError{Err: err}
		}
		if r == nil {
			return nil, fmt.Errorf("%s: open pull requests: %w", repo, forge.ErrGone)
		}
		for _, n := range r.PullRequests.Nodes {
			out = append(out, n.pull(repo, r.IsPrivate))
		}
		if !r.PullRequests.PageInfo.HasNextPage {
			break
		}
		cursor = r.PullRequests.PageInfo.EndCursor
	}
	return out, nil
}
