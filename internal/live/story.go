package live

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

const checkName = "relbot/coordination"

const policy = `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}"}
gates: {uid: {find: {path: src/gate.rs, symbol: "V\\d+_\\d+_\\d+"}}}
couplings:
  live:
    title: The live suite
    members: {image: {pr: 1}, gate: {pr: 2}, docs: {pr: 3, safe_alone: true}}
    order: [gate before image]
    gates: {uid: gate}
`

func gate(minor int) string {
	return fmt.Sprintf("const V26_%d_0: Version = Version::new(26, %d, 0);\n", minor, minor)
}

// wants are what pull requests must show, by number: a verdict with its reasons, how many annotations and notes; or that it is merged.
type wants map[int]string

// scene is a step of the story.
type scene struct {
	name  string
	wants wants
	do    func() error
}

// story is the shortest one that meets everything relbot relies on. Repositories of a user have no merge queue.
func (p *play) story(ctx context.Context) error {
	scenes := p.order(ctx)
	if p.rec.Kind == "Organization" {
		scenes = append(scenes, p.queue(ctx)...)
	}
	for _, s := range scenes {
		if err := p.act(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// order is the part in which three pull requests wait for each other and for a release.
func (p *play) order(ctx context.Context) []scene {
	return []scene{
		{"a repository is set up", nil, func() error { return nil }},
		{"three are opened, in an order", wants{1: "open wait [order-waiting], 0 annotations, 1 note", 2: "open pass [], 0 annotations, 1 note", 3: "open pass [], 0 annotations, 1 note"}, func() error {
			return errors.Join(p.open(ctx, 1, "image", "Dockerfile", "FROM distroless\n"), p.open(ctx, 2, "gate", "src/gate.rs", gate(28)), p.open(ctx, 3, "docs", "docs.md", "Nonroot\n"))
		}},
		{"the one that waits is merged", wants{1: "open wait [order-waiting], 0 annotations, 1 note"}, func() error { return p.tryMerge(ctx, 1) }},
		{"a release is cut, and the gate is wrong", wants{1: "open wait [order-waiting], 0 annotations, 1 note", 2: "open block [gate-cut-without], 1 annotation, 1 note"}, func() error {
			return p.tag(ctx, "v26.28.0-rc.1")
		}},
		{"the one that is blocked is merged", wants{2: "open block [gate-cut-without], 1 annotation, 1 note"}, func() error { return p.tryMerge(ctx, 2) }},
		{"the gate is fixed", wants{2: "open pass [], 0 annotations, 1 note", 1: "open wait [order-waiting], 0 annotations, 1 note"}, func() error { return p.write(ctx, 2, gate(29)) }},
		{"auto-merge is set for the one that waits", wants{1: "open wait [order-waiting], 0 annotations, 1 note"}, func() error {
			return p.mutate(ctx, 1, `mutation($id: ID!) { enablePullRequestAutoMerge(input: {pullRequestId: $id, mergeMethod: SQUASH}) { pullRequest { number } } }`)
		}},
		{"the first lands, and the other by itself", wants{1: "merged", 2: "merged"}, func() error { return p.merge(ctx, 2) }},
	}
}

// queue is the part in which two that are ordered go through the merge queue.
func (p *play) queue(ctx context.Context) []scene {
	const enqueue = `mutation($id: ID!) { enqueuePullRequest(input: {pullRequestId: $id}) { mergeQueueEntry { position } } }`
	return []scene{
		{"a merge queue is required", nil, func() error {
			return p.rule(ctx, "queue", map[string]any{"type": "merge_queue", "parameters": map[string]any{
				"check_response_timeout_minutes": 10, "grouping_strategy": "ALLGREEN", "max_entries_to_build": 5, "max_entries_to_merge": 5, "merge_method": "SQUASH",
				"min_entries_to_merge": 1, "min_entries_to_merge_wait_minutes": 0,
			}})
		}},
		{"two are opened", wants{4: "open pass [not-coupled], 0 annotations, 0 notes", 5: "open pass [not-coupled], 0 annotations, 0 notes"}, func() error {
			return errors.Join(p.open(ctx, 4, "first", "first.txt", "1\n"), p.open(ctx, 5, "second", "second.txt", "2\n"))
		}},
		{"commands order them", wants{4: "open pass [], 0 annotations, 1 note", 5: "open pass [order-queued], 0 annotations, 1 note"}, func() error {
			return p.comment(ctx, 4, "/relbot link #4 #5 as pair\n/relbot order #4 before #5 because the live suite says so")
		}},
		{"both are queued", wants{4: "merged", 5: "merged"}, func() error { return errors.Join(p.mutate(ctx, 4, enqueue), p.mutate(ctx, 5, enqueue)) }},
	}
}

// act plays one step, and notes what it shows.
func (p *play) act(ctx context.Context, s scene) error {
	p.Log("%s", s.name)
	p.rec.Steps = append(p.rec.Steps, Step{Name: s.name})
	p.step = &p.rec.Steps[len(p.rec.Steps)-1]
	if err := s.do(); err != nil {
		return err
	}
	var all map[int]shown
	meets := func() (bool, error) {
		var err error
		if all, err = p.look(ctx); err != nil {
			return false, err
		}
		var wrong []error
		for _, n := range slices.Sorted(maps.Keys(s.wants)) {
			if got := all[n].verdict; got != s.wants[n] {
				wrong = append(wrong, fmt.Errorf("#%d shows %q, want %q", n, got, s.wants[n]))
			}
		}
		return len(wrong) == 0, errors.Join(wrong...)
	}
	failed := p.until(ctx, "what relbot must show", meets)
	events, err := p.pull.quiet(ctx, p)
	p.step.Events = events
	if failed == nil && err == nil {
		_, failed = meets() // it must last
	}
	for _, n := range slices.Sorted(maps.Keys(all)) {
		p.step.Shows = append(p.step.Shows, all[n].String())
	}
	return errors.Join(failed, err)
}

// shown is a pull request with what relbot shows on it.
type shown struct {
	number      int
	verdict     string // with all that a step must show
	check       string // as GitHub counts it
	annotations int
	notes       int // that are not outdated
}

func (s shown) String() string {
	if s.check == "" {
		return fmt.Sprintf("#%d %s", s.number, s.verdict)
	}
	return fmt.Sprintf("#%d %s; %s", s.number, s.verdict, s.check)
}

// pullRequest is one as the API shows it.
type pullRequest struct {
	Number int    `json:"number"`
	NodeID string `json:"node_id"`
	State  string `json:"state"`
	Merged bool   `json:"merged"`
	Head   struct {
		SHA string `json:"sha"`
	} `json:"head"`
}

var verdictLine = regexp.MustCompile(`<!-- relbot:verdict (\{.*?\}) -->`)

// look looks at all pull requests.
func (p *play) look(ctx context.Context) (map[int]shown, error) {
	out := map[int]shown{}
	for n := range p.branches {
		s := shown{number: n, verdict: "without a check"}
		var pr pullRequest
		if err := p.person.call(ctx, http.MethodGet, p.path("pulls/%d", n), nil, &pr); err != nil {
			return nil, err
		}
		var list struct {
			Runs []struct {
				ID         int64  `json:"id"`
				Status     string `json:"status"`
				Conclusion string `json:"conclusion"`
				Output     struct {
					Text string `json:"text"`
				} `json:"output"`
			} `json:"check_runs"`
		}
		if err := p.person.call(ctx, http.MethodGet, p.path("commits/%s/check-runs?check_name=%s&filter=all&per_page=100", pr.Head.SHA, checkName), nil, &list); err != nil {
			return nil, err
		}
		newest := int64(0)
		for _, run := range list.Runs {
			if run.ID < newest {
				continue
			}
			newest = run.ID
			var v struct {
				Verdict  string   `json:"verdict"`
				Reasons  []string `json:"reasons"`
				Warnings []string `json:"warnings"`
			}
			if m := verdictLine.FindStringSubmatch(run.Output.Text); m != nil {
				if err := json.Unmarshal([]byte(m[1]), &v); err != nil {
					return nil, err
				}
			}
			s.verdict = v.Verdict + " [" + strings.Join(v.Reasons, " ") + "]"
			s.check = strings.TrimSpace(run.Status + " " + run.Conclusion)
		}
		if newest != 0 {
			var notes []struct{}
			if err := p.person.call(ctx, http.MethodGet, p.path("check-runs/%d/annotations?per_page=100", newest), nil, &notes); err != nil {
				return nil, err
			}
			s.annotations = len(notes)
		}
		var comments []struct {
			Body string `json:"body"`
		}
		if err := p.person.call(ctx, http.MethodGet, p.path("issues/%d/comments?per_page=100", n), nil, &comments); err != nil {
			return nil, err
		}
		for _, c := range comments {
			if strings.Contains(c.Body, "<!-- relbot:note") && !strings.Contains(c.Body, "<!-- relbot:outdated -->") {
				s.notes++
			}
		}
		if s.verdict = fmt.Sprintf("%s %s, %s, %s", pr.State, s.verdict, count(s.annotations, "annotation"), count(s.notes, "note")); pr.Merged {
			s = shown{number: n, verdict: "merged"} // what its check and its note said last is chance
		}
		out[n] = s
	}
	return out, nil
}

func count(n int, of string) string {
	if n != 1 {
		of += "s"
	}
	return fmt.Sprintf("%d %s", n, of)
}

// path is a path below the repository of this run.
func (p *play) path(format string, args ...any) string {
	return "/repos/" + p.made.Name + "/" + fmt.Sprintf(format, args...)
}

// prepare writes the files and tags that the story begins with, then requires the check. From then on nobody pushes to the branch itself.
func (p *play) prepare(ctx context.Context) error {
	p.rec.Steps = []Step{}
	for _, f := range []struct{ path, text string }{{"VERSION", "26.28.0-dev.0\n"}, {"src/gate.rs", "\n"}, {".github/relbot.yml", policy}} {
		blob, err := p.put(ctx, p.made.Branch, f.path, f.text, "")
		if err != nil {
			return err
		}
		if f.path == "src/gate.rs" {
			p.gate = blob
		}
	}
	for _, tag := range []string{"v26.26.0", "v26.27.0"} {
		if err := p.tag(ctx, tag); err != nil {
			return err
		}
	}
	return p.rule(ctx, "required", map[string]any{"type": "required_status_checks", "parameters": map[string]any{
		"strict_required_status_checks_policy": false, "required_status_checks": []any{map[string]any{"context": checkName, "integration_id": p.AppID}},
	}})
}

// rule adds a ruleset with one rule to the default branch.
func (p *play) rule(ctx context.Context, name string, rule any) error {
	return p.person.call(ctx, http.MethodPost, p.path("rulesets"), map[string]any{
		"name": name, "target": "branch", "enforcement": "active", "rules": []any{rule},
		"conditions": map[string]any{"ref_name": map[string]any{"include": []string{"~DEFAULT_BRANCH"}, "exclude": []string{}}},
	}, nil)
}

// put writes a file; blob is what was there. It returns what is there then.
func (p *play) put(ctx context.Context, branch, path, text, blob string) (string, error) {
	in := map[string]any{"message": "Write " + path, "content": base64.StdEncoding.EncodeToString([]byte(text)), "branch": branch}
	if blob != "" {
		in["sha"] = blob
	}
	var out struct {
		Content struct {
			SHA string `json:"sha"`
		} `json:"content"`
	}
	err := p.person.call(ctx, http.MethodPut, p.path("contents/%s", path), in, &out)
	return out.Content.SHA, err
}

func (p *play) tip(ctx context.Context) (string, error) {
	var out struct {
		Commit struct {
			SHA string `json:"sha"`
		} `json:"commit"`
	}
	err := p.person.call(ctx, http.MethodGet, p.path("branches/%s", p.made.Branch), nil, &out)
	return out.Commit.SHA, err
}

func (p *play) ref(ctx context.Context, name string) error {
	tip, err := p.tip(ctx)
	if err != nil {
		return err
	}
	return p.person.call(ctx, http.MethodPost, p.path("git/refs"), map[string]any{"ref": name, "sha": tip}, nil)
}

func (p *play) tag(ctx context.Context, name string) error { return p.ref(ctx, "refs/tags/"+name) }

// open opens a pull request that writes a file. Its number must be the one that the policy names.
func (p *play) open(ctx context.Context, n int, title, path, text string) error {
	b := branch{name: "live-" + title, path: path}
	if path == "src/gate.rs" {
		b.blob = p.gate
	}
	err := p.ref(ctx, "refs/heads/"+b.name)
	if err == nil {
		b.blob, err = p.put(ctx, b.name, path, text, b.blob)
	}
	if err != nil {
		return err
	}
	var pr pullRequest
	if err := p.person.call(ctx, http.MethodPost, p.path("pulls"), map[string]any{"title": title, "head": b.name, "base": p.made.Branch, "body": "Of the live suite."}, &pr); err != nil {
		return err
	}
	if pr.Number != n {
		return fmt.Errorf("GitHub called %s #%d, want #%d", title, pr.Number, n)
	}
	p.branches[n] = b
	return nil
}

// write rewrites the file of a pull request.
func (p *play) write(ctx context.Context, n int, text string) error {
	b := p.branches[n]
	blob, err := p.put(ctx, b.name, b.path, text, b.blob)
	if err == nil {
		b.blob = blob
		p.branches[n] = b
	}
	return err
}

// tryMerge has a merge refused, and notes how.
func (p *play) tryMerge(ctx context.Context, n int) error {
	err := p.person.call(ctx, http.MethodPut, p.path("pulls/%d/merge", n), map[string]any{"merge_method": "squash"}, nil)
	if err == nil {
		return fmt.Errorf("#%d was merged: its check does not keep it from that", n)
	}
	if refused(err) == 0 {
		return err
	}
	p.step.Answers = append(p.step.Answers, fmt.Sprintf("the merge of #%d is refused with %d", n, refused(err)))
	return nil
}

// merge merges. GitHub refuses while it still computes whether it can.
func (p *play) merge(ctx context.Context, n int) error {
	return p.until(ctx, fmt.Sprintf("the merge of #%d", n), func() (bool, error) {
		err := p.person.call(ctx, http.MethodPut, p.path("pulls/%d/merge", n), map[string]any{"merge_method": "squash"}, nil)
		return err == nil, err
	})
}

// mutate does something with a pull request over GraphQL.
func (p *play) mutate(ctx context.Context, n int, mutation string) error {
	var pr pullRequest
	if err := p.person.call(ctx, http.MethodGet, p.path("pulls/%d", n), nil, &pr); err != nil {
		return err
	}
	return p.person.query(ctx, mutation, map[string]any{"id": pr.NodeID}, nil)
}

// comment writes a comment.
func (p *play) comment(ctx context.Context, n int, body string) error {
	return p.person.call(ctx, http.MethodPost, p.path("issues/%d/comments", n), map[string]any{"body": body}, nil)
}
