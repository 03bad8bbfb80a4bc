package ghsim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
)

// CheckRun is a check run of the App on a commit, or a commit status in that form.
type CheckRun struct {
	ID          int64
	Name        string // of a status: its context
	Head        string
	ExternalID  string
	Status      string // "queued", "in_progress" or "completed"; of a status: "in_progress" (pending) or "completed"
	Conclusion  string // when completed; of a status: "success" or "failure"
	Title       string // of a status: its description
	Summary     string
	Text        string
	DetailsURL  string
	Annotations []Annotation
	Actions     []Action
	FromStatus  bool
	Started     time.Time
	Completed   time.Time
}

// Passes reports whether GitHub counts it as passed.
func (c CheckRun) Passes() bool {
	return c.Status == "completed" && slices.Contains([]string{"success", "neutral", "skipped"}, c.Conclusion)
}

// Annotation points at lines of a file.
type Annotation struct {
	Path       string  `json:"path"`
	StartLine  int     `json:"start_line"`
	EndLine    int     `json:"end_line"`
	StartCol   *int    `json:"start_column"`
	EndCol     *int    `json:"end_column"`
	Level      string  `json:"annotation_level"` // "notice", "warning" or "failure"
	Title      *string `json:"title"`
	Message    string  `json:"message"`
	RawDetails *string `json:"raw_details"`
}

// Action is a button on a check run.
type Action struct {
	Label       string `json:"label"`
	Description string `json:"description"`
	Identifier  string `json:"identifier"`
}

// check is a check run as kept.
type check struct {
	CheckRun
	repo   *repo
	node   string
	suite  int64
	commit *commit
}

// status is a commit status as kept. GitHub never changes one: a new one hides those before it.
type status struct {
	id                              int64
	node                            string
	commit                          *commit
	context, state, description, by string
	url                             string
	own                             bool // made by the App, to which the requirement is pinned
	created                         time.Time
}

// run is a status in the form of a check run.
func (s *status) run() CheckRun {
	c := CheckRun{
		ID: s.id, Name: s.context, Head: s.commit.id, Title: s.description, DetailsURL: s.url, FromStatus: true,
		Status: "completed", Conclusion: s.state, Started: s.created, Completed: s.created,
	}
	switch s.state {
	case "pending":
		c.Status, c.Conclusion, c.Completed = "in_progress", "", time.Time{}
	case "error":
		c.Conclusion = "failure"
	}
	return c
}

// newestRun is the newest check run of that name on a commit, or nil.
func (r *repo) newestRun(c *commit, name string) *check {
	for _, k := range slices.Backward(r.checks[c]) {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// newestStatus is the App's newest status of that context on a commit, or nil.
func (r *repo) newestStatus(c *commit, context string) *status {
	for _, s := range slices.Backward(r.statuses[c]) {
		if s.own && strings.EqualFold(s.context, context) {
			return s
		}
	}
	return nil
}

// newest is the newest of both forms, or nil.
func (r *repo) newest(c *commit, name string) *CheckRun {
	k, s := r.newestRun(c, name), r.newestStatus(c, name)
	switch {
	case k == nil && s == nil:
		return nil
	case s == nil || k != nil && k.ID > s.id:
		run := k.copy()
		return &run
	}
	run := s.run()
	return &run
}

// passes reports whether the required check called name passes on a commit, or why not. Where there is a check run
// and a status of that name, GitHub wants both to pass.
func (r *repo) passes(c *commit, name string) (bool, string) {
	k, s := r.newestRun(c, name), r.newestStatus(c, name)
	if k == nil && s == nil || r.source == "other" && name == r.required { // what this App posts does not count then
		return false, fmt.Sprintf("required check %q is expected: it was never posted on %.7s", name, c.id)
	}
	var runs []CheckRun
	if k != nil {
		runs = append(runs, k.CheckRun)
	}
	if s != nil {
		runs = append(runs, s.run())
	}
	for _, run := range runs {
		if !run.Passes() {
			return false, fmt.Sprintf("required check %q is %s", name, cmp.Or(run.Conclusion, run.Status))
		}
	}
	return true, ""
}

func (k *check) copy() CheckRun {
	c := k.CheckRun
	c.Annotations, c.Actions = slices.Clone(c.Annotations), slices.Clone(c.Actions)
	return c
}

// Checks lists the check runs on a commit and, in their form, the statuses; oldest first.
func (g *GitHub) Checks(name coupling.Repo, sha string) []CheckRun {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return nil
	}
	var out []CheckRun
	for _, k := range r.checks[r.commits[sha]] {
		out = append(out, k.copy())
	}
	for _, s := range r.statuses[r.commits[sha]] {
		out = append(out, s.run())
	}
	slices.SortFunc(out, func(a, b CheckRun) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// CheckAt is the newest run of the required check on a commit, in either form.
func (g *GitHub) CheckAt(name coupling.Repo, sha string) (CheckRun, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.repo(name)
	if err != nil {
		return CheckRun{}, false
	}
	return r.shownCheck(r.commits[sha])
}

func (r *repo) shownCheck(c *commit) (CheckRun, bool) {
	if run := r.newest(c, r.required); c != nil && run != nil {
		return *run, true
	}
	return CheckRun{}, false
}

// CurrentCheck is the newest run of the required check on a pull request's current head, in either form.
func (g *GitHub) CurrentCheck(key coupling.Pull) (CheckRun, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, err := g.pull(key)
	if err != nil {
		return CheckRun{}, false
	}
	return p.repo.shownCheck(p.head)
}

// LastCheck is the newest run of the required check on any head that a pull request had.
func (g *GitHub) LastCheck(key coupling.Pull) (CheckRun, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, err := g.pull(key)
	if err != nil {
		return CheckRun{}, false
	}
	for _, head := range slices.Backward(p.heads) {
		if run, ok := p.repo.shownCheck(head); ok {
			return run, true
		}
	}
	return CheckRun{}, false
}

// Click presses a button of the check run that a pull request shows.
func (g *GitHub) Click(key coupling.Pull, button string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, k, err := g.shownRun(key)
	if err != nil {
		return err
	}
	switch {
	case k.Status != "completed":
		return p.errorf("the check shows no buttons while it is %s", k.Status)
	case !slices.ContainsFunc(k.Actions, func(a Action) bool { return a.Identifier == button }):
		return p.errorf("the check has no button %q", button)
	}
	g.emit(p.repo, "check_run", "requested_action", object{
		"check_run": g.checkJSON(p.repo, k), "requested_action": object{"identifier": button},
	}, p.author)
	return nil
}

// RerequestSpec says what is asked for again on a pull request's head.
type RerequestSpec struct {
	Pull  coupling.Pull
	Run   int  // which run of the required check's name, counted from the first; the newest when 0
	Suite bool // all checks: the suite that the run is in
}

// Rerequest presses GitHub's own re-run of a check run or of its suite. Neither changes the run: "The check run itself is not updated.
// GitHub apps receiving the check_run webhook with the rerequested action should then decide if the check run should be reset or updated"
// (POST /repos/{owner}/{repo}/check-runs/{check_run_id}/rerequest). The API takes the id of an older run, too.
func (g *GitHub) Rerequest(spec RerequestSpec) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, k, err := g.shownRun(spec.Pull)
	if err != nil {
		return err
	}
	if spec.Run != 0 {
		runs := slices.DeleteFunc(slices.Clone(p.repo.checks[p.head]), func(o *check) bool { return o.Name != k.Name })
		if spec.Run > len(runs) {
			return p.errorf("its head has %d runs of %q", len(runs), k.Name)
		}
		k = runs[spec.Run-1]
	}
	if spec.Suite {
		g.emit(p.repo, "check_suite", "rerequested", object{"check_suite": g.suiteJSON(p.repo, k)}, p.author)
		return nil
	}
	g.emit(p.repo, "check_run", "rerequested", object{"check_run": g.checkJSON(p.repo, k)}, p.author)
	return nil
}

func (g *GitHub) shownRun(key coupling.Pull) (*pull, *check, error) {
	p, err := g.pull(key)
	if err != nil {
		return nil, nil, err
	}
	k := p.repo.newestRun(p.head, p.repo.required)
	if k == nil {
		return nil, nil, p.errorf("no check run %q on its head", p.repo.required)
	}
	return p, k, nil
}

// The limits of check runs and statuses. "The Checks API limits the number of annotations to a maximum of 50 per API request" (POST /repos/{owner}/{repo}/check-runs).
const (
	maxCheckText   = 65535
	maxAnnotations = 50
	maxActions     = 3
	maxStatusText  = 140
)

// checkInput is the body of a request that makes or changes a check run.
type checkInput struct {
	Name        *string      `json:"name"`
	HeadSHA     string       `json:"head_sha"`
	DetailsURL  *string      `json:"details_url"`
	ExternalID  *string      `json:"external_id"`
	Status      *string      `json:"status"`
	Conclusion  *string      `json:"conclusion"`
	StartedAt   *time.Time   `json:"started_at"`
	CompletedAt *time.Time   `json:"completed_at"`
	Output      *checkOutput `json:"output"`
	Actions     *[]Action    `json:"actions"`
}

type checkOutput struct {
	Title       *string      `json:"title"`
	Summary     *string      `json:"summary"`
	Text        *string      `json:"text"`
	Annotations []Annotation `json:"annotations"`
}

// validate says what GitHub would refuse.
func (in checkInput) validate() error {
	if o := in.Output; o != nil {
		switch {
		case o.Title == nil || o.Summary == nil:
			return errors.New("output needs a title and a summary")
		case len([]rune(*o.Summary)) > maxCheckText:
			return fmt.Errorf("summary exceeds a maximum of %d characters", maxCheckText)
		case o.Text != nil && len([]rune(*o.Text)) > maxCheckText:
			return fmt.Errorf("text exceeds a maximum of %d characters", maxCheckText)
		case len(o.Annotations) > maxAnnotations:
			return fmt.Errorf("annotations exceeds a maximum of %d items", maxAnnotations)
		}
		for _, a := range o.Annotations {
			switch {
			case a.Path == "" || a.Message == "" || a.StartLine < 1 || a.EndLine < a.StartLine:
				return errors.New("an annotation needs a path, a message and lines")
			case !slices.Contains([]string{"notice", "warning", "failure"}, a.Level):
				return fmt.Errorf("annotation_level %q is not in the list", a.Level)
			case a.Title != nil && len([]rune(*a.Title)) > 255:
				return errors.New("an annotation's title exceeds 255 characters")
			}
		}
	}
	if in.Actions != nil {
		if len(*in.Actions) > maxActions {
			return fmt.Errorf("actions exceeds a maximum of %d items", maxActions)
		}
		for _, a := range *in.Actions {
			if a.Label == "" || a.Description == "" || a.Identifier == "" ||
				len([]rune(a.Label)) > 20 || len([]rune(a.Description)) > 40 || len([]rune(a.Identifier)) > 20 {
				return fmt.Errorf("action %q: label, description and identifier have 1 to 20, 40 and 20 characters", a.Identifier)
			}
		}
	}
	if in.Status != nil && !slices.Contains([]string{"queued", "in_progress", "completed"}, *in.Status) {
		return fmt.Errorf("status %q is not in the list", *in.Status)
	}
	if in.Conclusion != nil && !slices.Contains([]string{
		"action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out",
	}, *in.Conclusion) {
		return fmt.Errorf("conclusion %q is not in the list", *in.Conclusion)
	}
	if in.Status != nil && *in.Status == "completed" && in.Conclusion == nil {
		return errors.New("a completed check run needs a conclusion")
	}
	return nil
}

// apply changes k. A given conclusion completes the run. "Each time you update the check run, annotations are appended to the list of
// annotations that already exist for the check run" (PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}): none can be taken away.
func (in checkInput) apply(k *check, now time.Time) error {
	wanted := k.Status
	if in.Status != nil {
		wanted = *in.Status
	}
	if in.Conclusion != nil {
		wanted = "completed"
	}
	if k.Status == "completed" && wanted != "completed" {
		return errors.New("a completed check run cannot be undone: make a new one")
	}
	if in.Name != nil {
		k.Name = *in.Name
	}
	if in.DetailsURL != nil {
		k.DetailsURL = *in.DetailsURL
	}
	if in.ExternalID != nil {
		k.ExternalID = *in.ExternalID
	}
	if in.Conclusion != nil {
		k.Conclusion = *in.Conclusion
	}
	if wanted == "completed" && (k.Status != "completed" || in.CompletedAt != nil) {
		k.Completed = now
		if in.CompletedAt != nil {
			k.Completed = in.CompletedAt.UTC()
		}
	}
	k.Status = wanted
	if in.StartedAt != nil {
		k.Started = in.StartedAt.UTC()
	}
	if o := in.Output; o != nil {
		k.Title, k.Summary, k.Text = *o.Title, *o.Summary, ""
		if o.Text != nil {
			k.Text = *o.Text
		}
		k.Annotations = append(k.Annotations, o.Annotations...)
	}
	if in.Actions != nil {
		k.Actions = *in.Actions
	}
	return nil
}

// newCheck makes a check run.
func (g *GitHub) newCheck(r *repo, in checkInput) (*check, error) {
	x := r.found(g, in.HeadSHA)
	if x == nil {
		return nil, unknownCommit(in.HeadSHA)
	}
	if err := in.validate(); err != nil {
		return nil, err
	}
	k := &check{repo: r, commit: x, CheckRun: CheckRun{Head: x.id, Status: "queued", Started: g.now()}}
	if err := in.apply(k, g.now()); err != nil {
		return nil, err
	}
	if others := r.checks[x]; len(others) > 0 {
		k.suite = others[0].suite
	} else {
		k.suite = g.newID()
	}
	k.ID = g.newID()
	k.node = g.node("CR", k.ID, k)
	r.checks[x] = append(r.checks[x], k)
	r.runs[k.ID] = k
	return k, nil
}
