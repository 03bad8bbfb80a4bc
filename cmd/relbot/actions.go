package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/reconcile"
	"github.com/relbot/relbot/internal/rules"
)

// actionsEvent is what the event says for which a workflow runs.
type actionsEvent struct {
	pull  int                   // 0 is none
	group *reconcile.MergeGroup // nil is none
}

var pullRef = regexp.MustCompile(`^refs/pull/(\d+)/`)

// readEvent reads GITHUB_EVENT_PATH, or what GITHUB_REF tells where there is no such file.
func readEvent(getenv func(string) string) (actionsEvent, error) {
	var out actionsEvent
	path := getenv("GITHUB_EVENT_PATH")
	if path == "" {
		if m := pullRef.FindStringSubmatch(getenv("GITHUB_REF")); m != nil {
			out.pull, _ = strconv.Atoi(m[1]) // digits
		}
		return out, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return out, fmt.Errorf("GITHUB_EVENT_PATH: %w", err)
	}
	var event struct {
		PullRequest *struct {
			Number int `json:"number"`
		} `json:"pull_request"`
		Issue *struct { // of a comment
			Number      int `json:"number"`
			PullRequest any `json:"pull_request"`
		} `json:"issue"`
		MergeGroup *reconcile.MergeGroup `json:"merge_group"`
	}
	if err := json.Unmarshal(text, &event); err != nil {
		return out, fmt.Errorf("GITHUB_EVENT_PATH: %s: %w", path, err)
	}
	switch {
	case event.PullRequest != nil:
		out.pull = event.PullRequest.Number
	case event.Issue != nil && event.Issue.PullRequest != nil:
		out.pull = event.Issue.Number
	case event.MergeGroup != nil:
		out.group = event.MergeGroup
	}
	return out, nil
}

// actionsJob is a job of GitHub Actions, as the environment describes it; outside of one nothing is known.
type actionsJob struct {
	getenv   func(string) string
	commands io.Writer // read by the runner
}

func (j actionsJob) is() bool { return j.getenv("GITHUB_ACTIONS") == "true" }

// shield keeps the runner from taking a text for commands: titles and reasons are written by people.
func (j actionsJob) shield(text string) string {
	if !j.is() {
		return text
	}
	token := rand.Text()
	return "::stop-commands::" + token + "\n" + text + "::" + token + "::\n"
}

var (
	escapeData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	escapeProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// command is a workflow command. Properties come in pairs of name and value; empty ones are left out.
func workflowCommand(name, message string, properties ...string) string {
	var list []string
	for i := 0; i < len(properties); i += 2 {
		if properties[i+1] != "" {
			list = append(list, properties[i]+"="+escapeProperty.Replace(properties[i+1]))
		}
	}
	if len(list) > 0 {
		name += " " + strings.Join(list, ",")
	}
	return "::" + name + "::" + escapeData.Replace(message) + "\n"
}

// tell writes annotations, the job's summary and its outputs: verdict, title, members and json.
func (j actionsJob) tell(run forge.CheckRun, level rules.Level, members string, answer []byte, failed bool) error {
	if j.is() {
		var b strings.Builder
		headline := failed || level == rules.Unknown
		for _, a := range run.Annotations {
			kind := map[bool]string{true: "error", false: "warning"}[a.Level == "failure"]
			headline = headline && kind != "error"
			b.WriteString(workflowCommand(kind, a.Message, "file", a.Path, "line", strconv.Itoa(max(a.Line, 1)), "title", a.Title))
		}
		if headline { // what failed has no place in a file
			b.WriteString(workflowCommand("error", run.Title, "title", run.Name))
		}
		if _, err := io.WriteString(j.commands, b.String()); err != nil {
			return err
		}
	}
	if path := j.getenv("GITHUB_STEP_SUMMARY"); path != "" {
		if err := appendFile(path, fmt.Sprintf("## %s\n\n%s\n%s\n", note.Escape(run.Title), run.Summary, run.Text)); err != nil {
			return err
		}
	}
	if path := j.getenv("GITHUB_OUTPUT"); path != "" {
		end := rand.Text()
		if err := appendFile(path, fmt.Sprintf("verdict=%s\nmembers=%s\ntitle<<%s\n%s\n%s\njson<<%s\n%s\n%s\n", level, members, end, run.Title, end, end, answer, end)); err != nil {
			return err
		}
	}
	return nil
}

func appendFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}
