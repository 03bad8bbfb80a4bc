package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/ghsim/ghspec"
)

// actionFile is action.yml, as far as a runner takes it.
type actionFile struct {
	Name        string
	Description string
	Branding    map[string]string
	Inputs      map[string]struct{ Description, Default string }
	Outputs     map[string]struct{ Description, Value string }
	Runs        struct {
		Using string
		Steps []struct {
			ID, If, Uses, Shell, Run string
			With, Env                map[string]string
		}
	}
}

// runner runs the steps of the action as GitHub's does, but for those of other actions.
type runner struct {
	t      *testing.T
	action actionFile
	temp   string
	api    string
	token  string
	event  string // path
	built  bool
}

var expression = regexp.MustCompile(`\$\{\{ *([^}]*?) *\}\}`)

// run runs the action with inputs; it returns what the steps printed, the summary, the outputs and the exit code of the last step.
func (r *runner) run(inputs map[string]string) (log, summary string, outputs map[string]string, code int) {
	r.t.Helper()
	values := map[string]string{
		"github.token": r.token, "github.action_path": root(r.t), "runner.temp": r.temp, "runner.os": "Linux", "runner.arch": "X64",
		"steps.source.outputs.key": "key",
	}
	resolve := func(text string) string {
		return expression.ReplaceAllStringFunc(text, func(e string) string {
			name := expression.FindStringSubmatch(e)[1]
			v, ok := values[name]
			if !ok {
				r.t.Errorf("the action uses %s, which no runner here knows", name)
			}
			return v
		})
	}
	for name, in := range r.action.Inputs {
		values["inputs."+name] = resolve(in.Default)
		if v, ok := inputs[name]; ok {
			values["inputs."+name] = v
		}
	}
	dir := r.t.TempDir()
	summaryFile := filepath.Join(dir, "summary.md")
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GOFLAGS=" + os.Getenv("GOFLAGS"), "GOCACHE=" + os.Getenv("GOCACHE"), "GOMODCACHE=" + os.Getenv("GOMODCACHE"),
		"GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=acme/app", "GITHUB_API_URL=" + r.api, "GITHUB_EVENT_PATH=" + r.event, "GITHUB_STEP_SUMMARY=" + summaryFile,
	}
	var all strings.Builder
	for i, s := range r.action.Runs.Steps {
		switch s.If {
		case "":
		case "steps.cache.outputs.cache-hit != 'true'":
			if r.built {
				continue
			}
		default:
			r.t.Fatalf("step %d: a condition that no runner here knows: %s", i, s.If)
		}
		if s.Uses != "" {
			continue
		}
		if s.Shell != "bash" || strings.Contains(s.Run, "${{") {
			r.t.Errorf("step %d: want bash, and no expression in the script: what is in it would be run", i)
		}
		output := filepath.Join(dir, "output"+s.ID)
		script := filepath.Join(dir, "script.sh")
		if err := os.WriteFile(script, []byte(s.Run), 0o600); err != nil {
			r.t.Fatal(err)
		}
		cmd := exec.CommandContext(r.t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", script)
		cmd.Env = append(slices.Clone(env), "GITHUB_OUTPUT="+output)
		for name, v := range s.Env {
			cmd.Env = append(cmd.Env, name+"="+resolve(v))
		}
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		all.Write(out)
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			code = failed.ExitCode()
		} else if err != nil {
			r.t.Fatal(err)
		}
		text, _ := os.ReadFile(output)
		outputs = readOutputs(string(text))
		if code != 0 {
			break
		}
	}
	r.built = true
	text, _ := os.ReadFile(summaryFile)
	return all.String(), string(text), outputs, code
}

// root is the directory of the repository.
func root(t *testing.T) string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// readOutputs reads a GITHUB_OUTPUT file.
func readOutputs(text string) map[string]string {
	out := map[string]string{}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if name, end, ok := strings.Cut(lines[i], "<<"); ok {
			var value []string
			for i++; i < len(lines) && lines[i] != end; i++ {
				value = append(value, lines[i])
			}
			out[name] = strings.Join(value, "\n")
		} else if name, value, ok := strings.Cut(lines[i], "="); ok {
			out[name] = value
		}
	}
	return out
}

// workflowCommands are the commands of a log that a runner would obey: none while a token stops them.
func workflowCommands(log string) (obeyed []string) {
	stopped := ""
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		switch token, stop := strings.CutPrefix(line, "::stop-commands::"); {
		case stopped != "" && line == "::"+stopped+"::":
			stopped = ""
		case stopped != "":
		case stop:
			stopped = token
		case strings.HasPrefix(line, "::"):
			obeyed = append(obeyed, line)
		}
	}
	return obeyed
}

// TestAction runs the steps of action.yml against the embedded GitHub, with a token that may do what the example workflow allows.
func TestAction(t *testing.T) {
	text, err := os.ReadFile("../../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{t: t, temp: t.TempDir()}
	if err := yaml.UnmarshalWithOptions(text, &r.action, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	var workflow struct{ Permissions map[string]string }
	for _, name := range []string{"relbot-report.yml", "relbot-check.yml"} {
		text, err := os.ReadFile("../../docs/workflows/" + name)
		if err == nil {
			err = yaml.Unmarshal(text, &workflow)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	permissions := map[string]string{}
	for name, level := range workflow.Permissions {
		permissions[strings.ReplaceAll(name, "-", "_")] = level
	}

	gh := ghsim.New(ghsim.Options{Clock: time.Now, Inspect: ghspec.New(t)})
	api := httptest.NewServer(gh.Handler())
	defer api.Close()
	r.api = api.URL
	const repo = coupling.Repo("acme/app")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(gh.CreateRepo(ghsim.RepoSpec{Name: repo, MergeQueue: true, Permissions: map[string]string{"ann": "write"}, Tags: []ghsim.TagSpec{{Name: "v1.1.0"}},
		Files: map[string]string{"VERSION": "1.2.0-dev\n", "gate.py": "MIN = \"1.2.0\"\n", "a:b,c%d.py": "OTHER = \"1.2.0\"\n"},
		Policy: `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}"}
gates: {g: {find: {path: gate.py, symbol: MIN}}, odd: {find: {path: "a:b,c%d.py", symbol: OTHER}}}
couplings:
  set: {title: "::error::owned", members: {a: {pr: 1}, b: {pr: 2}}, order: ["a before-or-with b: 100% sure"], gates: {g: a, odd: a}}
`}))
	must(gh.Require(repo, ghsim.Requirement{}))
	must(gh.Install(repo))
	r.token, err = gh.JobToken(repo, permissions)
	must(err)
	// The event is the payload that a webhook would carry.
	events := map[string][]byte{}
	flush := func() {
		gh.Flush(t.Context(), func(_ context.Context, d ghsim.Delivery) (int, error) {
			var body struct {
				Action string
				Number int
			}
			must(json.Unmarshal(d.Body, &body))
			events[d.Event+" "+body.Action] = d.Body
			if d.Event == "pull_request" && body.Action == "opened" {
				events[string('0'+rune(body.Number))] = d.Body
			}
			return 202, nil
		})
	}
	on := func(event string) {
		t.Helper()
		flush()
		if events[event] == nil {
			t.Fatalf("no event %s", event)
		}
		r.event = filepath.Join(t.TempDir(), "event.json")
		must(os.WriteFile(r.event, events[event], 0o600))
	}
	for n, files := range []map[string]string{
		{"gate.py": "# a\nMIN = \"1.1.0\"\n", "a:b,c%d.py": "OTHER = \"1.1.0\"\n"}, {"b": "b"}, {"c": "c"}, {".github/relbot.yml": "version: 1\ngates: 7\n"},
		{"gate.py": "MIN = \"1.0.0\"\n"},
	} {
		changed := map[string]*string{}
		for path, text := range files {
			changed[path] = &text
		}
		must(gh.Open(ghsim.OpenSpec{Repo: repo, Number: n + 1, By: "ann", Title: "T", Files: changed}))
	}
	expect := func(name string, inputs map[string]string, wantCode int, wantVerdict string, wantCommands ...string) (log, summary string) {
		t.Helper()
		log, summary, outputs, code := r.run(inputs)
		if code != wantCode || outputs["verdict"] != wantVerdict {
			t.Errorf("%s: exit %d and %v, want %d and %s:\n%s", name, code, outputs, wantCode, wantVerdict, log)
		}
		if wantVerdict != "" && (!json.Valid([]byte(outputs["json"])) || outputs["title"] == "" || !strings.Contains(summary, "relbot:verdict {\"verdict\":\""+wantVerdict)) {
			t.Errorf("%s: outputs %v\nsummary %s", name, outputs, summary)
		}
		got := workflowCommands(log)
		if len(got) != len(wantCommands) {
			t.Errorf("%s: commands %q, want %q", name, got, wantCommands)
			return log, summary
		}
		for i, want := range wantCommands {
			if !regexp.MustCompile(want).MatchString(got[i]) {
				t.Errorf("%s: command %q, want %q", name, got[i], want)
			}
		}
		return log, summary
	}

	on("1")
	began := time.Now()
	_, summary := expect("blocked", nil, exitBlocked, "block",
		`^::error file=gate.py,line=2,title=gate-cut-without%3A gate g::.*1\.1\.0`, `^::error file=a%3Ab%2Cc%25d.py,line=1,title=gate-cut-without%3A gate odd::`)
	t.Logf("the first run, with the build: %s", time.Since(began).Round(time.Millisecond))
	if !strings.Contains(summary, "## Blocked: ") || !strings.Contains(summary, "| ") || strings.Contains(summary, "\n::error") {
		t.Errorf("summary: %s", summary)
	}
	on("2")
	expect("waiting", nil, exitBlocked, "wait", `^::error title=relbot/coordination::Waiting: `)
	expect("waiting may pass", map[string]string{"fail-on-wait": "false"}, exitFine, "wait")
	on("3")
	expect("in no coupling", nil, exitFine, "pass")
	expect("another one by input", map[string]string{"pr": "2"}, exitBlocked, "wait", `^::error title=`)
	on("4")
	expect("a policy with problems", nil, exitBlocked, "block", `^::error file=.github/relbot.yml,line=2,title=policy-invalid::`)
	on("5")
	expect("a gate of others", nil, exitBlocked, "block", `^::error file=gate.py,line=1,title=gate-foreign-edit%3A gate g::`)

	_, err = gh.Enqueue(repo, []int{2})
	must(err)
	on("merge_group checks_requested")
	expect("half a pair in the queue", nil, exitBlocked, "block", `^::error title=relbot/coordination::Blocked: #2: #1 is blocked`)
	must(gh.Dequeue(coupling.Pull{Repo: repo, Number: 2}))
	six := "6"
	must(gh.Open(ghsim.OpenSpec{Repo: repo, Number: 6, By: "ann", Title: "T", Body: "Merge-After: #3", Files: map[string]*string{"six": &six}}))
	on("6")
	expect("a description that asks for another before it", map[string]string{"fail-on-wait": "false"}, exitFine, "wait")
	_, err = gh.Enqueue(repo, []int{6})
	must(err)
	on("merge_group checks_requested")
	expect("without that other in the queue", map[string]string{"fail-on-wait": "false"}, exitBlocked, "wait", `^::error title=relbot/coordination::Waiting: .*#3`)
	must(gh.Dequeue(coupling.Pull{Repo: repo, Number: 6}))
	_, err = gh.Enqueue(repo, []int{3})
	must(err)
	on("merge_group checks_requested")
	expect("somebody else in the queue", nil, exitFine, "pass")

	on("1")
	must(gh.AddFault(ghsim.Fault{Match: "graphql", Answer: "502", Times: -1}))
	if _, _, _, code := r.run(nil); code != exitUnknown {
		t.Errorf("an outage: exit %d", code)
	}
	gh.ClearFaults()
	r.token = "ghs_no"
	if log, _, _, code := r.run(nil); code != exitUnknown || !strings.Contains(log, "token not taken") {
		t.Errorf("a token that is not valid: exit %d: %s", code, log)
	}
	r.token, err = gh.JobToken(repo, permissions)
	must(err)
	log, summary := expect("report", map[string]string{"command": "report"}, exitBlocked, "")
	if !strings.Contains(summary, "gate-cut-without") {
		t.Errorf("the report: %s %s", log, summary)
	}
	if log, _, outputs, code := r.run(map[string]string{"command": "members"}); code != exitFine || outputs["members"] != "1 2" {
		t.Errorf("members: exit %d, %v: %s", code, outputs["members"], log)
	}
	expect("a word that is none", map[string]string{"command": "$(touch owned)"}, exitUsage, "", `^::error::command: want check, report or members`)

	if _, writes := gh.Counts(); writes > 0 {
		t.Errorf("%d writes by an action that only looks", writes)
	}
	if p := gh.Problems(); len(p) > 0 {
		t.Error(p)
	}
}

// TestRerunWorkflow runs the script of the workflow against a gh that keeps a record: of 300 open pull requests, it may ask for members alone.
func TestRerunWorkflow(t *testing.T) {
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct {
				ID, Uses, Run string
				With, Env     map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "docs/workflows/relbot-rerun.yml")), &workflow); err != nil {
		t.Fatal(err)
	}
	steps := workflow.Jobs["rerun"].Steps
	if len(steps) != 2 || steps[0].With["command"] != "members" || steps[1].Env["MEMBERS"] != "${{ steps."+steps[0].ID+".outputs.members }}" {
		t.Fatalf("the steps: %+v", steps)
	}
	dir := t.TempDir()
	pulls := []map[string]any{}
	for n := 1; n <= 300; n++ {
		pulls = append(pulls, map[string]any{"number": n, "headRefOid": fmt.Sprintf("head%d", n), "body": nil})
	}
	pulls[40]["body"] = "Text.\n  Merge-After: #7\n"
	pulls[41]["body"] = "It says Merge-After: #7 within a sentence."
	list, err := json.Marshal(pulls)
	if err != nil {
		t.Fatal(err)
	}
	gh := `#!/usr/bin/env bash
echo "$*" | tr '\n' ' ' >>calls; echo >>calls
case "$1 $2" in
"pr list") while [ "$1" != --jq ]; do shift; done; jq -r "$2" list.json ;;
"run list") while [ "$1" != --commit ]; do shift; done; echo "run-of-$2" ;;
esac
`
	for name, text := range map[string]string{"gh": gh, "list.json": string(list), "script": steps[1].Run} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command("bash", "-eo", "pipefail", "script")
	c.Dir, c.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "MEMBERS=1 20")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s (jq has to be there: make test installs it)", err, out)
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	var again []string
	for line := range strings.Lines(string(calls)) {
		if run, ok := strings.CutPrefix(strings.TrimSpace(line), "run rerun run-of-"); ok {
			again = append(again, run)
		}
	}
	slices.Sort(again)
	if !slices.Equal(again, []string{"head1", "head20", "head41"}) || strings.Count(string(calls), "\n") != 1+2*3 {
		t.Errorf("ran again %q, with the calls\n%s", again, calls)
	}
}
