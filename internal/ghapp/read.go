package ghapp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/cache"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Repositories lists every repository of every installation that is not suspended, and the accounts of which they cannot be listed. What is known
// of those stays.
func (a *App) Repositories(ctx context.Context) ([]forge.Repository, []forge.Unlisted, error) {
	installs, err := a.Installations(ctx)
	if err != nil {
		return nil, nil, err
	}
	var out []forge.Repository
	var unlisted []forge.Unlisted
	failed := map[int64]bool{}
	for _, in := range installs {
		if in.Suspended {
			continue
		}
		a.grant(in.ID, in.Permissions)
		repos, err := a.installed(ctx, in.ID)
		if errors.Is(err, forge.ErrSuspended) {
			continue
		}
		if err != nil {
			var said *forge.RefusedError
			if errors.As(err, &said) {
				said.Account = in.Account
			}
			unlisted, failed[in.ID] = append(unlisted, forge.Unlisted{Installation: in.ID, Account: in.Account, URL: in.URL, Err: err}), true
			continue
		}
		out = append(out, repos...)
	}
	a.mu.Lock()
	maps.DeleteFunc(a.installs, func(_ coupling.Repo, id int64) bool { return !failed[id] })
	clear(a.doubted)
	for _, r := range out {
		a.installs[r.Name] = r.Installation
	}
	a.mu.Unlock()
	slices.SortFunc(out, func(a, b forge.Repository) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return out, unlisted, nil
}

func (a *App) installed(ctx context.Context, id int64) ([]forge.Repository, error) {
	// The list is asked for as the installation, which is addressed here by a name that no repository has.
	probe := coupling.Repo(fmt.Sprintf("installation/%d", id))
	a.mu.Lock()
	a.installs[probe] = id
	a.mu.Unlock()
	defer a.forget(probe)
	type repository struct {
		ID            int64  `json:"id"`
		NodeID        string `json:"node_id"`
		FullName      string `json:"full_name"`
		Private       bool   `json:"private"`
		Archived      bool   `json:"archived"`
		DefaultBranch string `json:"default_branch"`
	}
	type page struct {
		Repositories []repository `json:"repositories"`
	}
	var out []forge.Repository
	err := list(ctx, a, probe, "installation/repositories", func(p page) []repository { return p.Repositories }, func(found []repository) bool {
		for _, r := range found {
			out = append(out, forge.Repository{ID: r.ID, NodeID: r.NodeID, Name: coupling.Repo(r.FullName), Installation: id, Private: r.Private, Archived: r.Archived, Default: r.DefaultBranch})
		}
		return true
	})
	return out, err
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
		if !fileAlias.MatchString(alias) {
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
	PageInfo pageInfo  `json:"pageInfo"`
}

// pageInfo says whether a page has a next one, and where that begins.
type pageInfo struct {
	HasNextPage bool   `json:"hasNextPage"`
	EndCursor   string `json:"endCursor"`
}

// refFields asks for refs with what is at some paths of their commits.
func refFields(v *variables, paths []string) string {
	of := "committedDate" + fileFields(v, paths)
	return "totalCount nodes { name target { oid ... on Commit { " + of + " } ... on Tag { target { oid ... on Commit { " + of + " } } } } } pageInfo { hasNextPage endCursor }"
}

// newestTags is where tags are listed from: those that were made last come first.
const newestTags = `refPrefix: "refs/tags/", orderBy: {field: TAG_COMMIT_DATE, direction: DESC}`

// headsBelow is where the branches are listed from whose names begin so.
func headsBelow(v *variables, prefix string) string {
	return `refPrefix: "refs/heads/", query: ` + v.text(prefix)
}

// Survey reads repositories as a whole.
func (a *App) Survey(ctx context.Context, requests []forge.SurveyRequest) (map[coupling.Repo]versionscan.Fact[forge.Survey], error) {
	surveys, _, err := a.Read(ctx, forge.Reading{Surveys: requests})
	return surveys, err
}

// surveyBatch is how many repositories one query asks for as a whole.
const surveyBatch = 10

// Read reads pull requests and repositories, those of one installation in as few queries as possible. A pull request that GitHub does
// not know is absent; what cannot be read is unknown.
func (a *App) Read(ctx context.Context, q forge.Reading) (map[coupling.Repo]versionscan.Fact[forge.Survey], map[coupling.Pull]versionscan.Fact[forge.Pull], error) {
	out := facts{map[coupling.Repo]versionscan.Fact[forge.Survey]{}, map[coupling.Pull]versionscan.Fact[forge.Pull]{}}
	type item struct {
		repo   coupling.Repo
		number int // 0 is the repository
		survey forge.SurveyRequest
	}
	var items []item
	for _, p := range q.Pulls {
		items = append(items, item{repo: p.Repo, number: p.Number})
	}
	for _, s := range q.Surveys {
		items = append(items, item{repo: s.Repo, survey: s})
	}
	var failed error
	fail := func(i item, err error) {
		failed = worse(failed, err)
		p := coupling.Pull{Repo: i.repo, Number: i.number}
		if _, done := out.pulls[p]; i.number != 0 && !done {
			out.pulls[p] = versionscan.NotKnown[forge.Pull](err.Error())
		}
		if _, done := out.surveys[i.repo]; i.number == 0 && !done {
			out.surveys[i.repo] = versionscan.NotKnown[forge.Survey](err.Error())
		}
	}
	for _, group := range byInstallation(ctx, a, items, func(i item) coupling.Repo { return i.repo }, fail) {
		part := forge.Reading{Watched: q.Watched}
		for _, i := range group {
			if i.number != 0 {
				part.Pulls = append(part.Pulls, coupling.Pull{Repo: i.repo, Number: i.number})
			} else {
				part.Surveys = append(part.Surveys, i.survey)
			}
		}
		if err := a.readParts(ctx, part, out); err != nil {
			for _, i := range group {
				fail(i, err)
			}
		}
	}
	return out.surveys, out.pulls, failed
}

// facts are the answers of a reading.
type facts struct {
	surveys map[coupling.Repo]versionscan.Fact[forge.Survey]
	pulls   map[coupling.Pull]versionscan.Fact[forge.Pull]
}

// readParts reads what one installation may read, in queries that shrink when one was too much. The repositories go with the last of the
// pull requests.
func (a *App) readParts(ctx context.Context, q forge.Reading, out facts) error {
	for len(q.Pulls)+len(q.Surveys) > 0 {
		part := first(q, ofNamed.most)
		most, whole := len(part.Pulls)+len(part.Surveys), part
		page := 0
		_, err := a.portion(ctx, ofNamed, reposOf(part), most, func(ctx context.Context, size int) error {
			part = first(whole, size)
			if len(part.Surveys) == 1 {
				ctx = divisible(ctx) // see readAlone
			}
			page = a.portions.size(ofRefs, reposOf(part), a.s.Now())
			return a.readPart(ctx, part, page, out)
		})
		if errors.Is(err, errTooMuch) && len(part.Surveys) == 1 && len(part.Pulls) == 0 {
			err = a.readAlone(ctx, part.Surveys[0], page/2, out)
		}
		if err != nil {
			return err
		}
		q.Pulls, q.Surveys = q.Pulls[len(part.Pulls):], q.Surveys[len(part.Surveys):]
	}
	return nil
}

// readAlone reads a repository that was too much in one go. It takes smaller pages of its tags and branches, then also leaves out the files at its tags.
// These are asked for later. A page that is larger than all there is need not be halved step by step.
func (a *App) readAlone(ctx context.Context, q forge.SurveyRequest, page int, out facts) error {
	a.mu.Lock()
	known := a.tags[q.Repo]
	a.mu.Unlock()
	all := known != nil && len(known.tags) <= page
	if all {
		page = len(known.tags)
	}
	read := func(ctx context.Context, size int) error {
		return a.readPart(ctx, forge.Reading{Surveys: []forge.SurveyRequest{q}}, size, out)
	}
	size, err := a.portion(ctx, ofRefs, []coupling.Repo{q.Repo}, max(page, 1), read)
	if errors.Is(err, errTooMuch) && len(q.Paths) > 0 {
		q.Paths = nil
		size, err = a.portion(ctx, ofRefs, []coupling.Repo{q.Repo}, max(page, 1), read)
	}
	if err == nil && !all { // else the size may not have been the reason
		a.portions.worked(ofRefs, []coupling.Repo{q.Repo}, size, true, a.s.Now())
	}
	return err
}

// first is the first part of a reading, of a size: pull requests before repositories.
func first(q forge.Reading, size int) forge.Reading {
	part := forge.Reading{Watched: q.Watched, Pulls: q.Pulls[:min(size, len(q.Pulls))]}
	if len(part.Pulls) == len(q.Pulls) {
		part.Surveys = q.Surveys[:min(size-len(part.Pulls), surveyBatch, len(q.Surveys))]
	}
	return part
}

// reposOf lists the repositories of a reading.
func reposOf(q forge.Reading) []coupling.Repo {
	out := distinct(q.Pulls, func(p coupling.Pull) coupling.Repo { return p.Repo })
	for _, s := range q.Surveys {
		if !slices.Contains(out, s.Repo) {
			out = append(out, s.Repo)
		}
	}
	return out
}

// maxWatched bounds how many watched paths one query tells of; what is beyond is asked for when it is needed.
const maxWatched = 20

func bounded(watched []string) []string { return watched[:min(len(watched), maxWatched)] }

// fileField is the alias of what is at a path of a commit.
func fileField(i int) string { return fmt.Sprint("f", i) }

var fileAlias = regexp.MustCompile(`^f\d+$`)

// fileFields asks what is at paths of a commit; [filesOf] takes the answer over.
func fileFields(v *variables, paths []string) string {
	var b strings.Builder
	for i, p := range paths {
		fmt.Fprintf(&b, " %s: file(path: %s) { oid mode type }", fileField(i), v.text(p))
	}
	return b.String()
}

// filesOf takes over what is at paths of a commit.
func (a *App) filesOf(c commitNode, paths []string) map[string]string {
	out := map[string]string{}
	for i, path := range paths {
		if n, asked := c.Files[fileField(i)]; asked && c.OID != "" {
			p := a.keepPlace(c.OID, path, n)
			out[path] = p.Blob + p.Tree
		}
	}
	return out
}

// readPart sends one query; page is how many refs of a repository it asks for.
func (a *App) readPart(ctx context.Context, q forge.Reading, page int, out facts) error {
	repos := reposOf(q)
	pulls := map[coupling.Repo][]coupling.Pull{}
	surveys := map[coupling.Repo]forge.SurveyRequest{}
	for _, p := range q.Pulls {
		pulls[p.Repo] = append(pulls[p.Repo], p)
	}
	for _, s := range q.Surveys {
		surveys[s.Repo] = s
	}
	var v variables
	var b, fragments strings.Builder
	for i, repo := range repos {
		fmt.Fprintf(&b, "%s { nameWithOwner isPrivate\n", v.repositoryOf(fmt.Sprintf("r%d", i), repo))
		if len(pulls[repo]) > 0 {
			fmt.Fprintf(&fragments, "\nfragment pull%d on PullRequest { %s }", i, pullFields(&v, bounded(q.Watched[repo])))
		}
		for _, p := range pulls[repo] {
			fmt.Fprintf(&b, "p%d: pullRequest(number: %d) { ...pull%d }\n", p.Number, p.Number, i)
		}
		if s, asked := surveys[repo]; asked {
			surveyFields(&b, &v, s, page)
		}
		b.WriteString("}\n")
	}
	ans, err := a.query(ctx, repos[0], v.declare()+" {\n"+b.String()+"}"+fragments.String(), v.values)
	if err != nil {
		return err
	}
	for i, repo := range repos {
		alias := fmt.Sprintf("r%d", i)
		raw := ans.Data[alias]
		if err := a.pulled(alias, raw, ans, repo, pulls[repo], bounded(q.Watched[repo]), out.pulls); err != nil {
			return err
		}
		s, asked := surveys[repo]
		if !asked {
			continue
		}
		if out.surveys[repo], err = a.surveyed(ctx, s, alias, raw, ans); err != nil {
			return err
		}
	}
	return nil
}

// surveyFields asks for a repository as a whole; page is how many refs it asks for.
func surveyFields(b *strings.Builder, v *variables, q forge.SurveyRequest, page int) {
	fmt.Fprintf(b, "id databaseId isArchived defaultBranchRef { name target { oid ... on Commit {%s oid } } }\n", fileFields(v, bounded(q.Watched)))
	fmt.Fprintf(b, "policy: object(expression: %s) { ... on Blob { %s } }\n", v.text("HEAD:.github/relbot.yml"), blobFields)
	if !q.NoTags {
		fmt.Fprintf(b, "tags: refs(%s, first: %d) { %s }\n", newestTags, page, refFields(v, q.Paths))
	}
	for k, p := range q.Prefixes {
		fmt.Fprintf(b, "h%d: refs(%s, first: %d) { %s }\n", k, headsBelow(v, p), page, refFields(v, nil))
	}
	for k, name := range q.Branches {
		fmt.Fprintf(b, "b%d: ref(qualifiedName: %s) { name target { oid } }\n", k, v.text("refs/heads/"+name))
		fmt.Fprintf(b, "q%d: mergeQueue(branch: %s) { id }\n", k, v.text(name))
	}
}

// surveyed takes one repository out of an answer and reads the further pages of its refs.
func (a *App) surveyed(ctx context.Context, q forge.SurveyRequest, alias string, raw json.RawMessage, ans answer) (versionscan.Fact[forge.Survey], error) {
	var unknown versionscan.Fact[forge.Survey]
	var branches *queryError
	for _, e := range ans.Errors {
		if fmt.Sprint(e.Path[0]) != alias || e.file {
			continue
		}
		of := ""
		if len(e.Path) > 1 {
			of = fmt.Sprint(e.Path[1])
		}
		switch {
		case partAlias.MatchString(of):
		case branchAlias.MatchString(of):
			branches = &e
		default:
			unknown.Why = e.Message
			return unknown, nil
		}
	}
	if len(raw) == 0 || string(raw) == "null" {
		unknown.Why = "GitHub knows no such repository, or the App may not read it"
		return unknown, nil
	}
	var r struct {
		ID               string `json:"id"`
		DatabaseID       int64  `json:"databaseId"`
		NameWithOwner    string `json:"nameWithOwner"`
		IsPrivate        bool   `json:"isPrivate"`
		IsArchived       bool   `json:"isArchived"`
		DefaultBranchRef *struct {
			Name   string     `json:"name"`
			Target commitNode `json:"target"`
		} `json:"defaultBranchRef"`
		Policy *blob    `json:"policy"`
		Tags   *refPage `json:"tags"`
	}
	fields := map[string]json.RawMessage{}
	if err := errors.Join(json.Unmarshal(raw, &r), json.Unmarshal(raw, &fields)); err != nil {
		return unknown, &forge.RetryError{Err: err}
	}
	s := forge.Survey{Repository: forge.Repository{ID: r.DatabaseID, NodeID: r.ID, Name: coupling.Repo(r.NameWithOwner), Private: r.IsPrivate, Archived: r.IsArchived}, Queues: map[string]bool{}}
	a.mu.Lock()
	s.Installation = a.installs[q.Repo]
	a.mu.Unlock()
	if r.DefaultBranchRef != nil {
		s.Default, s.Tip = r.DefaultBranchRef.Name, r.DefaultBranchRef.Target.OID
		s.Watched = a.filesOf(r.DefaultBranchRef.Target, bounded(q.Watched))
	}
	if e := ans.lacks(alias, "policy"); e != nil {
		s.Policy.Why = e.Message
	} else if r.Policy != nil {
		s.PolicyID = r.Policy.OID
		s.Policy = a.fileOf(ctx, q.Repo, *r.Policy)
	} else {
		s.Policy = versionscan.None[versionscan.File]("there is no policy file")
	}
	if e := ans.lacks(alias, "tags"); e != nil {
		s.Tags.Why = e.Message
	} else if r.Tags != nil {
		s.Tags = a.listTags(ctx, q, *r.Tags)
	}
	for k, name := range q.Branches {
		queue := fields[fmt.Sprintf("q%d", k)]
		s.Queues[name] = len(queue) > 0 && string(queue) != "null"
	}
	if branches != nil {
		s.Branches.Why = branches.Message
		return versionscan.Know(s), nil
	}
	heads := map[string]string{}
	for k := range q.Prefixes {
		var page refPage
		if err := json.Unmarshal(fields[fmt.Sprintf("h%d", k)], &page); err != nil {
			return unknown, &forge.RetryError{Err: fmt.Errorf("branches: %w", err)}
		}
		by := func(v *variables) string { return headsBelow(v, q.Prefixes[k]) }
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
				return versionscan.Know(s), nil
			}
		}
	}
	for k, name := range q.Branches {
		var ref *refNode
		if raw := fields[fmt.Sprintf("b%d", k)]; len(raw) > 0 {
			if err := json.Unmarshal(raw, &ref); err != nil {
				return unknown, &forge.RetryError{Err: fmt.Errorf("branch: %w", err)}
			}
		}
		if ref != nil {
			heads[name] = ref.Target.OID
		}
	}
	s.Branches = versionscan.Know(heads)
	return versionscan.Know(s), nil
}

// What of a repository may be missing from an answer while the rest is there? Pull requests, the policy, tags and merge queues may be
// missing by themselves, branches together.
var (
	partAlias   = regexp.MustCompile(`^([pq]\d+|policy|tags)$`)
	branchAlias = regexp.MustCompile(`^[bh]\d+$`)
)

// tagList is what is known of a repository's tags.
type tagList struct {
	tags   map[string]release.Tag
	listed time.Time // when all of them were
}

// tagsListed is for how long a list of tags is brought up to date from the newest hundred alone. It bounds for how long a tag goes unnoticed
// that is not among them and was moved: additions and deletions change the count.
const tagsListed = time.Hour

// listTags lists all tags. While the newest ones and the count agree with what is known no further page is read.
func (a *App) listTags(ctx context.Context, q forge.SurveyRequest, page refPage) versionscan.Fact[[]release.Tag] {
	a.mu.Lock()
	known := a.tags[q.Repo]
	a.mu.Unlock()
	if known == nil {
		known = &tagList{}
	}
	list := &tagList{tags: maps.Clone(known.tags), listed: known.listed}
	list.take(a, q, page)
	if len(list.tags) != page.Total || time.Since(list.listed) > tagsListed || a.unplaced(q, list) > 2*ofFiles.most {
		list = &tagList{listed: time.Now()}
		for {
			list.take(a, q, page)
			if !page.PageInfo.HasNextPage {
				break
			}
			if len(list.tags) > maxTags {
				return versionscan.NotKnown[[]release.Tag](fmt.Sprintf("there are more than %d tags", maxTags))
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
				return versionscan.NotKnown[[]release.Tag](err.Error())
			}
		}
	}
	a.mu.Lock()
	a.tags[q.Repo] = list
	a.mu.Unlock()
	out := slices.Collect(maps.Values(list.tags))
	slices.SortFunc(out, func(a, b release.Tag) int { return strings.Compare(a.Name, b.Name) })
	return versionscan.Know(out)
}

// maxTags bounds the tags of a repository.
const maxTags = 150_000

// take takes over a page.
func (l *tagList) take(a *App, q forge.SurveyRequest, page refPage) {
	if l.tags == nil {
		l.tags = map[string]release.Tag{}
	}
	for _, n := range page.Nodes {
		c := n.commit()
		t := release.Tag{Name: n.Name, Commit: c.OID, Date: c.CommittedDate}
		if n.Target.Target != nil {
			t.Object = n.Target.OID
		}
		l.tags[n.Name] = t
		a.filesOf(c, q.Paths)
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
func (a *App) refs(ctx context.Context, repo coupling.Repo, by func(*variables) string, cursor string, paths []string) (page refPage, err error) {
	_, err = a.portion(ctx, ofRefs, []coupling.Repo{repo}, ofRefs.most, func(ctx context.Context, size int) error {
		var v variables
		fields := refFields(&v, paths)
		text := fmt.Sprintf("%s { refs(%s, first: %d, after: %s) { %s } }", v.repositoryOf("r", repo), by(&v), size, v.text(cursor), fields)
		ans, err := a.query(ctx, repo, v.declare()+" { "+text+" }", v.values)
		if err != nil {
			return err
		}
		if err := ans.whole("r"); err != nil {
			return fmt.Errorf("%s: refs: %w", repo, err)
		}
		var r struct {
			Refs refPage `json:"refs"`
		}
		if err := json.Unmarshal(ans.Data["r"], &r); err != nil {
			return &forge.RetryError{Err: fmt.Errorf("refs: %w", err)}
		}
		page = r.Refs
		return nil
	})
	return page, err
}

// pullFields asks for a pull request, and for what is at some paths of its head and of its test merge.
func pullFields(v *variables, watched []string) string {
	files := fileFields(v, watched)
	return `id number title body url state merged isDraft author { login __typename } baseRef { name } baseRefName headRefName headRefOid isCrossRepository
mergeCommit { oid } mergedAt mergedBy { login } createdAt closedAt updatedAt
potentialMergeCommit { oid parents(first: 2) { nodes { oid } }` + files + ` } commits(last: 1) { nodes { commit { oid tree { oid }` + files + ` } } }`
}

type pullNode struct {
	ID      string `json:"id"`
	Number  int    `json:"number"`
	Title   string `json:"title"`
	Body    string `json:"body"`
	URL     string `json:"url"`
	State   string `json:"state"`
	IsDraft bool   `json:"isDraft"`
	Author  *struct {
		Login    string `json:"login"`
		Typename string `json:"__typename"`
	} `json:"author"`
	BaseRef *struct {
		Name string `json:"name"`
	} `json:"baseRef"`
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
	CreatedAt            time.Time  `json:"createdAt"`
	UpdatedAt            time.Time  `json:"updatedAt"`
	PotentialMergeCommit *headNode  `json:"potentialMergeCommit"`
	Commits              struct {
		Nodes []struct {
			Commit headNode `json:"commit"`
		} `json:"nodes"`
	} `json:"commits"`
}

// headNode is a commit with its parents or its tree.
type headNode struct {
	commitNode
	parents []string
	tree    string
}

func (n *headNode) UnmarshalJSON(text []byte) error {
	var fields struct {
		Parents struct {
			Nodes []struct {
				OID string `json:"oid"`
			} `json:"nodes"`
		} `json:"parents"`
		Tree struct {
			OID string `json:"oid"`
		} `json:"tree"`
	}
	if err := errors.Join(json.Unmarshal(text, &n.commitNode), json.Unmarshal(text, &fields)); err != nil {
		return err
	}
	n.tree = fields.Tree.OID
	for _, p := range fields.Parents.Nodes {
		n.parents = append(n.parents, p.OID)
	}
	return nil
}

func (a *App) pull(n pullNode, repo coupling.Repo, private bool, watched []string) forge.Pull {
	p := forge.Pull{
		NodeID: n.ID, Pull: coupling.Pull{Repo: repo, Number: n.Number}, Title: n.Title, Body: n.Body, URL: n.URL,
		State: strings.ToLower(n.State), Draft: n.IsDraft, Base: n.BaseRefName, BaseGone: n.BaseRef == nil, Head: n.HeadRefOID, HeadRef: n.HeadRefName,
		Fork: n.IsCrossRepository, Private: private, CreatedAt: n.CreatedAt, UpdatedAt: n.UpdatedAt,
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
		p.TestMerge, p.TestParents, p.AtTest = m.OID, m.parents, a.filesOf(m.commitNode, watched)
	}
	if c := n.Commits.Nodes; len(c) > 0 && c[0].Commit.OID == n.HeadRefOID {
		p.Tree, p.AtHead = c[0].Commit.tree, a.filesOf(c[0].Commit.commitNode, watched)
	}
	return p
}

// pulled takes the pull requests of one repository out of an answer.
func (a *App) pulled(alias string, raw json.RawMessage, ans answer, repo coupling.Repo, pulls []coupling.Pull, watched []string, out map[coupling.Pull]versionscan.Fact[forge.Pull]) error {
	if len(pulls) == 0 {
		return nil
	}
	var fields map[string]json.RawMessage
	private := false
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &fields); err != nil {
			return &forge.RetryError{Err: err}
		}
		_ = json.Unmarshal(fields["isPrivate"], &private) // null when the repository is
	}
	for _, p := range pulls {
		key := fmt.Sprintf("p%d", p.Number)
		if raw := fields[key]; len(raw) == 0 || string(raw) == "null" {
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
		if e := cmp.Or(ans.lacks(alias, key), ans.lacks(alias, "isPrivate")); e != nil {
			out[p] = versionscan.NotKnown[forge.Pull](e.Message)
			continue
		}
		var n pullNode
		if err := json.Unmarshal(fields[key], &n); err != nil {
			return &forge.RetryError{Err: err}
		}
		out[p] = versionscan.Know(a.pull(n, repo, private, watched))
	}
	return nil
}

// after is the argument by which a page follows another; "" for the first.
func after(v *variables, cursor string) string {
	if cursor == "" {
		return ""
	}
	return ", after: " + v.text(cursor)
}

// OpenPulls lists a repository's open pull requests, with what is at the watched paths.
func (a *App) OpenPulls(ctx context.Context, repo coupling.Repo, watched []string) ([]forge.Pull, error) {
	var out []forge.Pull
	watched = bounded(watched)
	cursor := ""
	err := a.pages(ctx, ofOpen, repo, func(ctx context.Context, size int) (bool, error) {
		var v variables
		text := fmt.Sprintf("%s { isPrivate pullRequests(states: [OPEN], first: %d%s) { nodes { ...pull } pageInfo { hasNextPage endCursor } } }", v.repositoryOf("r", repo), size, after(&v, cursor))
		fragment := "\nfragment pull on PullRequest { " + pullFields(&v, watched) + " }"
		ans, err := a.query(ctx, repo, v.declare()+" { "+text+" }"+fragment, v.values)
		if err != nil {
			return false, err
		}
		if err := ans.whole("r"); err != nil {
			return false, err
		}
		var r *struct {
			IsPrivate    bool `json:"isPrivate"`
			PullRequests struct {
				Nodes    []pullNode `json:"nodes"`
				PageInfo pageInfo   `json:"pageInfo"`
			} `json:"pullRequests"`
		}
		if err := json.Unmarshal(ans.Data["r"], &r); err != nil {
			return false, &forge.RetryError{Err: err}
		}
		if r == nil {
			return false, forge.ErrGone
		}
		for _, n := range r.PullRequests.Nodes {
			out = append(out, a.pull(n, repo, r.IsPrivate, watched))
		}
		cursor = r.PullRequests.PageInfo.EndCursor
		return r.PullRequests.PageInfo.HasNextPage, nil
	})
	if err != nil && !errors.Is(err, errTooLong) {
		return nil, fmt.Errorf("%s: open pull requests: %w", repo, err)
	}
	return out, nil
}
