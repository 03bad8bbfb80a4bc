package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghapp"
	"github.com/relbot/relbot/internal/gitrepo"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/reconcile"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/settings"
	"github.com/relbot/relbot/internal/store/engine"
)

// onceFlags are the flags of commands that judge once, with a token, from a CI job or a terminal.
type onceFlags struct {
	repo, token, api, format string
	config                   string // settings of the server, to read as its App
}

func (f *onceFlags) register(c *cobra.Command, formats string) {
	c.Flags().StringVar(&f.repo, "repo", os.Getenv("GITHUB_REPOSITORY"), "the repository, also GITHUB_REPOSITORY; in a clone that of its remote origin")
	c.Flags().StringVar(&f.token, "token-file", "", "a file with a token; otherwise GITHUB_TOKEN is used")
	c.Flags().StringVar(&f.config, "config", "", "settings of the server: read as its App, and not with a token")
	c.Flags().StringVar(&f.api, "api-url", cmp.Or(os.Getenv("RELBOT_GITHUB_API_URL"), os.Getenv("GITHUB_API_URL"), defaultAPI), "REST API")
	c.Flags().StringVar(&f.format, "format", strings.Split(formats, "|")[0], strings.ReplaceAll(formats, "|", ", "))
}

// open makes a reconciler on an empty store that has read the repository.
func (f *onceFlags) open(ctx context.Context, formats string) (*reconcile.Reconciler, coupling.Repo, func(), error) {
	r, repo, done, err := f.connect(ctx, formats)
	if err != nil {
		return nil, "", nil, err
	}
	if err := r.Learn(ctx, repo); err != nil {
		done()
		return nil, "", nil, unsure(err)
	}
	return r, repo, done, nil
}

// connect makes a reconciler on an empty store.
func (f *onceFlags) connect(ctx context.Context, formats string) (*reconcile.Reconciler, coupling.Repo, func(), error) {
	if !strings.Contains("|"+formats+"|", "|"+f.format+"|") {
		return nil, "", nil, fmt.Errorf("--format %q: want %s", f.format, strings.ReplaceAll(formats, "|", ", "))
	}
	if f.repo == "" {
		if f.fromOrigin(ctx); f.repo == "" {
			return nil, "", nil, errors.New("no repository: give --repo owner/name; here is no clone whose remote origin names one")
		}
	}
	repo, err := coupling.ParseRepo(f.repo)
	if err != nil {
		return nil, "", nil, fmt.Errorf("--repo: %w", err)
	}
	who, err := f.identity()
	if err != nil {
		return nil, "", nil, err
	}
	app, err := ghapp.New(who)
	if err != nil {
		return nil, "", nil, err
	}
	st, err := engine.Open(ctx, "sqlite::memory:")
	if err != nil {
		return nil, "", nil, unsure(err)
	}
	r := &reconcile.Reconciler{GitHub: app, Store: st, Memory: memory.New(st), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	return r, repo, func() { st.Close() }, nil
}

// fromOrigin takes the repository, and where nothing names another GitHub its API too, from the remote of the clone at hand.
func (f *onceFlags) fromOrigin(ctx context.Context) {
	clone, err := gitrepo.Open(ctx, ".")
	if err != nil {
		return
	}
	m := originURL.FindStringSubmatch(clone.Origin(ctx))
	if m == nil {
		return
	}
	f.repo = m[3]
	if host := m[1] + m[2]; f.api == defaultAPI && strings.Contains(host, ".") { // an alias of SSH has no dot
		f.api = ghapp.APIURL("https://" + host)
	}
}

// originURL takes host and repository out of what git calls a remote's URL.
var originURL = regexp.MustCompile(`^(?:(?:https?|ssh|git)://(?:[^@/]*@)?([^/:]+)(?::\d+)?/|(?:[^@/]*@)?([^/:]+):)([\w.-]+/[\w.-]+?)(?:\.git)?/?$`)

// defaultAPI is that of github.com.
const defaultAPI = "https://api.github.com"

// identity is as whom GitHub is read.
func (f *onceFlags) identity() (ghapp.Settings, error) {
	if f.config != "" {
		set, err := settings.Load(f.config, os.Environ(), nil)
		if err != nil {
			return ghapp.Settings{}, err
		}
		if !set.Registered() {
			return ghapp.Settings{}, fmt.Errorf("--config %s: no App is set: `relbot setup` registers one; for one that is registered add the line %q with key and webhook secret", f.config, settings.Missing("github_app_id"))
		}
		return ghapp.Settings{APIURL: set.GitHubAPIURL, AppID: set.AppID, Key: set.PrivateKey}, nil
	}
	token := os.Getenv("GITHUB_TOKEN")
	if f.token != "" {
		text, err := os.ReadFile(f.token)
		if err != nil {
			return ghapp.Settings{}, err
		}
		token = strings.TrimSpace(string(text))
	}
	if token == "" {
		return ghapp.Settings{}, fmt.Errorf("no token: set GITHUB_TOKEN, or give --token-file or --config")
	}
	return ghapp.Settings{APIURL: f.api, Token: token}, nil
}

func reportCommand() *cobra.Command {
	const formats = "markdown|json|text"
	var f onceFlags
	c := &cobra.Command{
		Use:   "report",
		Short: "Print a repository's drift report; exits 1 when something has drifted",
		Long: "Print a repository's drift report: Markdown, or text at a terminal. Exits 1 when something has drifted, 3 when it cannot tell.\n" +
			"In a clone the repository is that of its remote origin.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, repo, done, err := f.open(cmd.Context(), formats)
			if err != nil {
				return err
			}
			defer done()
			rep, err := r.Report(cmd.Context(), repo, nil)
			if err != nil {
				return unsure(err)
			}
			out := cmd.OutOrStdout()
			if !cmd.Flags().Changed("format") && terminal(out) {
				f.format = "text"
			}
			switch f.format {
			case "json":
				fmt.Fprintln(out, string(note.ReportJSON(rep)))
			case "text":
				fmt.Fprint(out, note.ReportText(rep))
			default:
				fmt.Fprintln(out, note.Report(rep))
			}
			for _, row := range rep.Drift {
				if row.Code == rules.TrainUnknown || row.Code == rules.MemberUnreadable {
					return exit{code: exitUnknown}
				}
			}
			if len(rep.Drift) > 0 {
				return blocked
			}
			return nil
		},
	}
	f.register(c, formats)
	return c
}

// The shapes of `relbot check --format json`.
type (
	checkAnswer struct {
		Repo      coupling.Repo   `json:"repo"`
		Base      string          `json:"base"`
		Train     *string         `json:"train"`
		Couplings []checkCoupling `json:"couplings"`
	}
	checkCoupling struct {
		Name    string         `json:"name"`
		Title   string         `json:"title"`
		State   coupling.State `json:"state"`
		Members []checkMember  `json:"members"`
		Gates   []checkGate    `json:"gates"`
	}
	checkMember struct {
		Role     string        `json:"role"`
		PR       string        `json:"pr"`
		Verdict  rules.Level   `json:"verdict"`
		ShipsIn  *string       `json:"ships_in"`
		Reasons  []checkReason `json:"reasons"`
		Warnings []checkReason `json:"warnings"`
	}
	checkReason struct {
		Code    rules.Code `json:"code"`
		Message string     `json:"message"`
		Remedy  string     `json:"remedy"`
	}
	checkGate struct {
		ID       string      `json:"id"`
		Value    *string     `json:"value"`
		Expected *string     `json:"expected"`
		Path     *string     `json:"path"`
		Line     *int        `json:"line"`
		Verdict  rules.Level `json:"verdict"`
	}
)

// known is nil for a text that is not known.
func known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func answerOf(a reconcile.Answer) checkAnswer {
	out := checkAnswer{Repo: a.Repo, Base: a.Base, Train: known(a.Train), Couplings: []checkCoupling{}}
	reasons := func(rs []rules.Reason) []checkReason {
		list := []checkReason{}
		for _, r := range rs {
			list = append(list, checkReason{r.Code, note.Plain(r, a.Repo), note.PlainRemedy(r, a.Repo)})
		}
		return list
	}
	for _, j := range a.Judgements {
		c := checkCoupling{Name: j.Coupling.Name, Title: j.Coupling.Heading(), State: j.State, Members: []checkMember{}, Gates: []checkGate{}}
		for _, m := range j.Members {
			c.Members = append(c.Members, checkMember{m.Role, m.Pull.In(a.Repo), m.Verdict.Level, known(m.ShipsIn), reasons(m.Verdict.Reasons), reasons(m.Verdict.Warnings)})
		}
		for _, g := range j.Gates {
			row := checkGate{ID: g.ID, Value: known(g.Value), Expected: known(g.Want), Path: known(g.Path), Verdict: g.Level}
			if g.Line > 0 {
				row.Line = &g.Line
			}
			c.Gates = append(c.Gates, row)
		}
		out.Couplings = append(out.Couplings, c)
	}
	return out
}

func checkCommand() *cobra.Command {
	const formats = "text|json"
	var f onceFlags
	var pr string
	var strict bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Judge couplings from a CI job, with its token; exits 1 when blocked, 3 when it cannot tell",
		Long: "Judge the couplings of a pull request or of a merge group, or with neither all of the repository, from a CI job, with its token.\n" +
			"Nothing is written to GitHub. In GitHub Actions the job's summary, annotations and outputs are written as well.\n" +
			"It exits 1 when the pull request is blocked, and 3 when it cannot tell; one that has to wait is reported as such, and exits 0 unless --fail-on-wait\nis given: a job that gates merges needs it.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			event, err := readEvent(os.Getenv)
			if err != nil {
				return err
			}
			r, repo, done, err := f.open(cmd.Context(), formats)
			if err != nil {
				return err
			}
			defer done()
			var only coupling.Pull
			switch {
			case pr != "":
				if only, err = coupling.ParsePull(pr, repo); err != nil {
					return fmt.Errorf("--pr: %w", err)
				}
			case event.pull != 0:
				only = coupling.Pull{Repo: repo, Number: event.pull}
			}
			var a reconcile.Answer
			switch {
			case !only.IsZero():
				a, err = r.JudgePull(cmd.Context(), only)
			case event.group != nil:
				strict = true // a group lands or it does not
				a, err = r.JudgeGroup(cmd.Context(), repo, *event.group)
			default:
				a, err = r.Judge(cmd.Context(), repo, only)
			}
			if err != nil {
				return unsure(err)
			}
			failed := a.Verdict.Level == rules.Block || strict && a.Verdict.Level == rules.Wait
			if err := tellCheck(cmd.OutOrStdout(), cmd.ErrOrStderr(), a, f.format, failed); err != nil {
				return unsure(err)
			}
			switch {
			case failed:
				return blocked
			case a.Verdict.Level == rules.Unknown:
				return exit{code: exitUnknown}
			}
			return nil
		},
	}
	f.register(c, formats)
	c.Flags().StringVar(&pr, "pr", "", "the pull request; in GitHub Actions that of the workflow")
	c.Flags().BoolVar(&strict, "fail-on-wait", false, "exit 1 also for what has to wait: a CI job cannot stay in progress until it may go on")
	return c
}

// tellCheck prints an answer, and in GitHub Actions tells the job of it.
func tellCheck(out, errs io.Writer, a reconcile.Answer, format string, failed bool) error {
	answer := answerOf(a)
	var text strings.Builder
	encoded, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		return err
	}
	if format == "json" {
		fmt.Fprintf(&text, "%s\n", encoded)
	} else {
		checkText(&text, a, answer)
	}
	job := actionsJob{getenv: os.Getenv, commands: out}
	if format == "json" {
		job.commands = errs // data alone goes to stdout
	}
	if _, err := io.WriteString(out, job.shield(text.String())); err != nil {
		return err
	}
	return job.tell(a.Check, a.Verdict.Level, membersOf(a), encoded, failed)
}

// membersOf lists the numbers of the repository's own pull requests in the couplings of an answer.
func membersOf(a reconcile.Answer) string {
	var numbers []int
	for _, j := range a.Judgements {
		for _, m := range j.Members {
			if m.Pull.Repo.Same(a.Repo) {
				numbers = append(numbers, m.Pull.Number)
			}
		}
	}
	slices.Sort(numbers)
	return strings.Trim(fmt.Sprint(slices.Compact(numbers)), "[]")
}

func checkText(w io.Writer, a reconcile.Answer, answer checkAnswer) {
	fmt.Fprintln(w, a.Check.Title)
	for _, c := range answer.Couplings {
		fmt.Fprintf(w, "%s (%s): %s\n", c.Title, c.Name, c.State)
		for _, m := range c.Members {
			fmt.Fprintf(w, "  %s %s: %s\n", m.Role, m.PR, m.Verdict)
			for _, r := range m.Reasons {
				fmt.Fprintf(w, "    %s: %s %s\n", r.Code, r.Message, r.Remedy)
			}
			for _, r := range m.Warnings {
				fmt.Fprintf(w, "    warning %s: %s\n", r.Code, r.Message)
			}
		}
	}
	// What the couplings do not say: a changed policy, a gate that is not the pull request's business.
	for _, r := range a.Verdict.Reasons {
		if r.Coupling == "" {
			fmt.Fprintf(w, "%s: %s %s\n", r.Code, note.Plain(r, a.Repo), note.PlainRemedy(r, a.Repo))
		}
	}
}
