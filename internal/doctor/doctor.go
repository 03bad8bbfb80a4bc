// Package doctor says what keeps relbot from working, and how to fix it.
//
// It asks in the order in which things have to work: database, key, webhook, installations, repositories. What cannot be asked since something
// before it failed is left out, so that the first problem is the one to fix. It changes nothing. Whether GitHub's deliveries arrive, and whether
// both sides have the same webhook secret, is read from GitHub's own record of what it was answered. This also works
// where relbot does not run yet, or runs elsewhere. Sending a delivery of its own was refused, since one that is signed with the secret
// at hand says nothing of the secret at GitHub.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/versionscan"
)

// State is what was found.
type State string

// The states, best first. A warning is worth knowing and keeps nothing from working.
const (
	Fine    State = "ok"
	Warning State = "warning"
	Unknown State = "unknown"
	Problem State = "problem"
)

// Finding is the answer to one check.
type Finding struct {
	Check   string `json:"check"`   // stable: database, app, clock, permissions, …
	Subject string `json:"subject"` // a repository or an account; "" is relbot itself
	State   State  `json:"state"`
	Message string `json:"message"`
	Fix     string `json:"fix"` // "" when there is nothing to do
}

// Worst is the state of a list of findings as a whole: fine, unknown or a problem.
func Worst(findings []Finding) State {
	worst := Fine
	for _, f := range findings {
		switch {
		case f.State == Problem:
			return Problem
		case f.State == Unknown:
			worst = Unknown
		}
	}
	return worst
}

// App is what is asked of GitHub about the App.
type App interface {
	Registration(ctx context.Context) (forge.Registration, error)
	Installations(ctx context.Context) ([]forge.Installation, error)
	Hook(ctx context.Context) (forge.Hook, error)
	Deliveries(ctx context.Context, since time.Time) ([]forge.DeliveryAttempt, error)
}

// Repos is what is asked of GitHub about repositories.
type Repos interface {
	Repositories(ctx context.Context) ([]forge.Repository, []forge.Unlisted, error)
	BranchRules(ctx context.Context, repo coupling.Repo, branch string) (forge.BranchRules, error)
	Queue(ctx context.Context, repo coupling.Repo, branch string) (forge.Queue, error)
	Survey(ctx context.Context, requests []forge.SurveyRequest) (map[coupling.Repo]versionscan.Fact[forge.Survey], error)
}

// GitHub is both.
type GitHub interface {
	App
	Repos
}

// Options are what to look at.
type Options struct {
	GitHub    GitHub
	AppID     int64
	Web       string      // GitHub's pages: https://github.com
	Wanted    forge.Grant // what the App has to ask for
	PublicURL string
	// Reach asks for a page under the public URL and returns its status.
	Reach func(ctx context.Context, url string) (int, error)
	// Database looks whether the database can be used; nil leaves it out.
	Database func(ctx context.Context) error
	Now      func() time.Time
	Repos    []coupling.Repo // none is all on which the App is installed
	// SettingUp says that the server takes no deliveries yet: those that wait are no problem.
	SettingUp bool
}

// maxSkew is how far the clock may be off: the App's tokens are valid from half a minute before they are made.
const maxSkew = 30 * time.Second

// young is how long an App may have heard nothing: nothing has happened where it is installed.
const young = 10 * time.Minute

// deliveriesSince is how far back the record of deliveries is read; GitHub keeps three days of it.
const deliveriesSince = 24 * time.Hour

// doctor collects findings.
type doctor struct {
	Options
	out []Finding
}

func (d *doctor) say(state State, check, subject, fix, format string, args ...any) {
	d.out = append(d.out, Finding{check, subject, state, fmt.Sprintf(format, args...), fix})
}

// Run looks at everything and returns the findings in the order in which they are best fixed.
func Run(ctx context.Context, o Options) []Finding {
	d := &doctor{Options: o}
	d.database(ctx)
	d.publicURL(ctx)
	app, ok := d.app(ctx)
	if !ok {
		return d.out
	}
	d.hook(ctx)
	d.deliveries(ctx, app)
	d.installations(ctx, app)
	return d.out
}

func (d *doctor) database(ctx context.Context) {
	if d.Database == nil {
		return
	}
	if err := d.Database(ctx); err != nil {
		d.say(Problem, "database", "", "Start the database, or correct database_url; one that a newer relbot has used needs that relbot, or a backup from before.", "%v", err)
		return
	}
	d.say(Fine, "database", "", "", "can be used")
}

func (d *doctor) publicURL(ctx context.Context) {
	const check = "public-url"
	u, err := url.Parse(d.PublicURL)
	switch {
	case d.PublicURL == "" || err != nil:
		d.say(Warning, check, "", "Set public_url to the address under which people and GitHub reach this server.", "not set: checks and notes link to no page")
		return
	case u.Scheme != "https" && !local(u.Hostname()):
		d.say(Warning, check, "", "Put a reverse proxy with a certificate before relbot.", "%s is not encrypted: what people read there can be read on the way", d.PublicURL)
	case local(u.Hostname()):
		d.say(Warning, check, "", "Set public_url to an address that GitHub can reach.", "%s leads to this machine alone: GitHub cannot deliver there, and no link works elsewhere", d.PublicURL)
	}
	if code, err := d.Reach(ctx, d.PublicURL+"/healthz"); err != nil || code != 200 {
		why := fmt.Sprintf("it answered %d", code)
		if err != nil {
			why = err.Error()
		}
		fix := "Look at DNS, the reverse proxy and the firewall."
		if !d.SettingUp { // then the server that asks is the one to be reached
			fix = "Look whether `relbot serve` runs, then at DNS, the reverse proxy and the firewall."
		}
		d.say(Warning, check, "", fix+" GitHub may see it otherwise: the record of deliveries below tells.", "%s/healthz cannot be reached from here: %s", d.PublicURL, why)
		return
	}
	d.say(Fine, check, "", "", "%s answers", d.PublicURL)
}

// local reports whether a name leads nowhere but to this machine.
func local(host string) bool {
	return host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1" || strings.HasSuffix(host, ".localhost")
}

// settings is a page of the App's settings, where its owner is at home.
func (d *doctor) settings(app forge.Registration, page string) string {
	return fmt.Sprintf("%s/settings/apps/%s%s (of an organisation: %s/organizations/%s/settings/apps/%s%s)", d.Web, app.Slug, page, d.Web, cmp.Or(app.Owner, "NAME"), app.Slug, page)
}

func (d *doctor) app(ctx context.Context) (forge.Registration, bool) {
	app, err := d.GitHub.Registration(ctx)
	if !app.Clock.IsZero() {
		// The answer took a moment, and its clock counts whole seconds.
		if skew := d.Now().Sub(app.Clock); skew.Abs() > maxSkew {
			d.say(Problem, "clock", "", "Let the clock be set by NTP (systemd-timesyncd, chrony): GitHub refuses keys that are used at another time.", "this machine's clock differs from GitHub's by %s", skew.Round(time.Second))
		} else {
			d.say(Fine, "clock", "", "", "agrees with GitHub's")
		}
	}
	const check = "app"
	switch {
	case errors.Is(err, forge.ErrToken):
		d.say(Problem, check, "", fmt.Sprintf("The key belongs to another App, or was deleted there. Make a new one (%s/settings/apps, the App, Private keys) and put it into github_private_key_file, or correct github_app_id.", d.Web), "GitHub does not take the private key for App %d: %v", d.AppID, err)
	case errors.Is(err, forge.ErrGone):
		d.say(Problem, check, "", "Correct github_app_id: the App's settings page shows it. An App of a GitHub Enterprise Server needs its github_api_url (https://HOST/api/v3).", "GitHub knows no App %d: %v", d.AppID, err)
	case err != nil:
		d.say(Unknown, check, "", "Look whether github_api_url is right and can be reached from here, also through a proxy; then try again.", "GitHub does not answer: %v", err)
	}
	if err != nil {
		return app, false
	}
	d.say(Fine, check, "", "", "%s (%d) of %s", app.Slug, app.ID, cmp.Or(app.Owner, "somebody"))

	missing, more := d.lacks(app.Grant)
	switch {
	case len(missing) > 0:
		d.say(Problem, "permissions", "", "Add them at "+d.settings(app, "/permissions")+"; then each account has to agree.", "the App does not ask for %s", list(missing))
	case len(more) > 0:
		d.say(Warning, "permissions", "", "Take them away at "+d.settings(app, "/permissions")+": who takes over relbot's machine would have them.", "the App asks for more than relbot uses: %s", list(more))
	default:
		d.say(Fine, "permissions", "", "", "the App asks for what relbot uses, and no more")
	}
	return app, true
}

// lacks compares what an App has with what relbot needs.
func (d *doctor) lacks(have forge.Grant) (missing, more []string) {
	for _, name := range slices.Sorted(maps.Keys(d.Wanted.Permissions)) {
		if !covers(have.Permissions[name], d.Wanted.Permissions[name]) {
			missing = append(missing, fmt.Sprintf("the permission %s: %s", name, d.Wanted.Permissions[name]))
		}
	}
	for _, e := range d.Wanted.Events {
		// A repository whose App may write checks is notified of them without asking.
		if strings.HasPrefix(e, "check_") && have.Permissions["checks"] == "write" {
			continue
		}
		if !slices.Contains(have.Events, e) {
			missing = append(missing, "the event "+e)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have.Permissions)) {
		if !covers(d.Wanted.Permissions[name], have.Permissions[name]) {
			more = append(more, fmt.Sprintf("%s: %s", name, have.Permissions[name]))
		}
	}
	return missing, more
}

func covers(have, want string) bool {
	return have == want || have == "write" && want == "read" || have == "admin"
}

func list(items []string) string {
	if n := len(items); n > 1 {
		return strings.Join(items[:n-1], ", ") + " and " + items[n-1]
	}
	return strings.Join(items, "")
}

// setHook is the command that makes the webhook right.
const setHook = "`relbot doctor --set-webhook` writes public_url and the newest webhook secret there."

func (d *doctor) hook(ctx context.Context) {
	const check = "webhook"
	h, err := d.GitHub.Hook(ctx)
	want := d.PublicURL + "/webhook"
	switch {
	case err != nil:
		d.say(Unknown, check, "", "Try again.", "its settings could not be read: %v", err)
	case h.URL == "":
		d.say(Problem, check, "", "Set public_url and run it: "+setHook, "the App has no webhook: GitHub tells relbot nothing")
	case !h.Secret:
		d.say(Problem, check, "", setHook, "it has no secret at GitHub: relbot takes no delivery that is not signed")
	case d.PublicURL != "" && h.URL != want:
		d.say(Problem, check, "", "If "+want+" is right: "+setHook+" Otherwise correct public_url.", "GitHub delivers to %s, and public_url says %s", h.URL, want)
	case h.Insecure:
		d.say(Warning, check, "", setHook, "GitHub does not look at the certificate of %s", h.URL)
	default:
		d.say(Fine, check, "", "", "GitHub delivers to %s", h.URL)
	}
}

func (d *doctor) deliveries(ctx context.Context, app forge.Registration) {
	const check = "deliveries"
	log, err := d.GitHub.Deliveries(ctx, d.Now().Add(-deliveriesSince))
	if err != nil {
		d.say(Unknown, check, "", "Try again.", "GitHub's record of them could not be read: %v", err)
		return
	}
	if age := app.Clock.Sub(app.Created); len(log) == 0 && !app.Created.IsZero() && age < young {
		d.say(Fine, check, "", "", "GitHub has sent nothing yet: the App was registered %s ago", max(age, 0))
		return
	}
	if len(log) == 0 {
		d.say(Unknown, check, "", "Open a pull request where the App is installed, or redeliver one on the App's page Advanced, and ask again.", "GitHub has sent nothing in the last day, so nothing is known of them")
		return
	}
	last := log[0]
	refused := 0
	for _, a := range log {
		if a.OK {
			break
		}
		refused++
	}
	when := "at " + last.Delivered.UTC().Format(time.RFC3339)
	them, were := "the last one", "was"
	if refused > 1 {
		them, were, when = fmt.Sprintf("the last %d", refused), "were", when+" the last"
	}
	switch {
	case last.OK:
		d.say(Fine, check, "", "", "the last one arrived %s", when)
	case last.Code == 401 || last.Code == 403:
		d.say(Problem, check, "", "The webhook secret at GitHub and that of relbot differ, or something before relbot asks for a login. "+setHook, "%s %s refused with %d, %s", them, were, last.Code, when)
	case last.Code == 503 && d.SettingUp:
		d.say(Fine, check, "", "", "what GitHub sends waits until the setup is finished: the server asks for it when it starts")
	case last.Code == 503:
		d.say(Problem, check, "", "Look at relbot's log: most likely its database does not answer. What was refused is asked for again.", "%s could not be stored, %s", them, when)
	case last.Code == 404 || last.Code == 405:
		d.say(Problem, check, "", "What answers there is not relbot, or not at this path. "+setHook, "%s %s answered with %d, %s", them, were, last.Code, when)
	default:
		d.say(Problem, check, "", "GitHub has to reach public_url from the internet (a GitHub Enterprise Server: from its own network): look at DNS, certificate, firewall, and whether `relbot serve` runs.", "%s did not arrive, %s: %s (%d)", them, when, last.Status, last.Code)
	}
}

func (d *doctor) installations(ctx context.Context, app forge.Registration) {
	const check = "installed"
	install := fmt.Sprintf("%s/apps/%s/installations/new", d.Web, app.Slug)
	all, err := d.GitHub.Installations(ctx)
	if err != nil {
		d.say(Unknown, check, "", "Try again.", "the installations could not be listed: %v", err)
		return
	}
	if len(all) == 0 {
		d.say(Problem, check, "", "Install it: "+install, "the App is installed nowhere")
		return
	}
	grants := map[int64]forge.Grant{}
	for _, in := range all {
		grants[in.ID] = in.Grant
		if in.Suspended {
			d.say(Problem, check, in.Account, "Lift it: "+in.URL, "the installation is suspended: nothing is judged there")
			continue
		}
		missing, _ := d.lacks(in.Grant)
		if asked, _ := d.lacks(app.Grant); len(missing) > 0 && len(asked) == 0 {
			d.say(Problem, "permissions", in.Account, "An owner of the account has to agree: "+in.URL, "%s has not agreed to %s", in.Account, list(missing))
		}
	}
	repos, unlisted, err := d.GitHub.Repositories(ctx)
	if err != nil {
		d.say(Unknown, check, "", "Try again.", "the repositories could not be listed: %v", err)
		return
	}
	for _, u := range unlisted {
		d.unlisted(check, u)
	}
	for _, name := range d.Repos {
		hidden := slices.ContainsFunc(unlisted, func(u forge.Unlisted) bool { return strings.EqualFold(u.Account, name.Owner()) })
		if !hidden && !slices.ContainsFunc(repos, func(r forge.Repository) bool { return r.Name.Same(name) }) {
			d.say(Problem, check, string(name), "Add it: "+install, "the App is not installed on %s, or there is no such repository", name)
		}
	}
	wanted := slices.DeleteFunc(repos, func(r forge.Repository) bool {
		return r.Archived || len(d.Repos) > 0 && !slices.ContainsFunc(d.Repos, func(n coupling.Repo) bool { return n.Same(r.Name) })
	})
	var requests []forge.SurveyRequest
	for _, r := range wanted {
		requests = append(requests, forge.SurveyRequest{Repo: r.Name, NoTags: true})
	}
	surveys := map[coupling.Repo]versionscan.Fact[forge.Survey]{}
	if len(requests) > 0 {
		if surveys, err = d.GitHub.Survey(ctx, requests); err != nil {
			d.say(Unknown, check, "", "Try again.", "the repositories could not be read: %v", err)
			return
		}
	}
	for _, r := range wanted {
		d.repository(ctx, r, surveys[r.Name], grants[r.Installation])
	}
}

// unlisted says why the repositories of an account cannot be listed.
func (d *doctor) unlisted(check string, u forge.Unlisted) {
	var said *forge.RefusedError
	switch {
	case errors.As(u.Err, &said) && strings.Contains(said.Message, "IP allow list"):
		d.say(Problem, check, u.Account, "An owner of "+u.Account+" has to add this machine's address to the organisation's IP allow list, or to the App's.", "GitHub lets in nobody from this address: %s", said.Message)
	case errors.As(u.Err, &said):
		d.say(Problem, check, u.Account, "Look at the installation: "+u.URL, "its repositories cannot be listed: %s", said.Message)
	default:
		d.say(Unknown, check, u.Account, "Try again.", "its repositories could not be listed: %v", u.Err)
	}
}

func (d *doctor) repository(ctx context.Context, r forge.Repository, s versionscan.Fact[forge.Survey], have forge.Grant) {
	name := string(r.Name)
	if !s.Known() {
		d.say(Unknown, "installed", name, "Try again; when it stays so, look at the permissions of the installation.", "it could not be read: %s", s.Why)
		return
	}
	check := rules.DefaultCheck.Name
	switch file := s.Value.Policy; {
	case file.Known():
		p, problems := policy.Parse(r.Name, []byte(file.Value.Text))
		if len(problems) > 0 {
			d.say(Problem, "policy", name, "Fix it; `relbot config validate` tells all problems. Until then the last good policy is in force.", "%s has %s, the first: %s", policy.Path, coupling.Count(len(problems), "problem"), problems[0])
			break
		}
		check = p.Check.Name
		d.say(Fine, "policy", name, "", "%s, %s", coupling.Count(len(p.Couplings), "coupling"), coupling.Count(len(p.Gates), "gate"))
	case file.Absent():
		d.say(Warning, "policy", name, "`relbot config init` writes a first one from a clone; without it, commands and lines in descriptions still make couplings.", "there is no %s", policy.Path)
	default:
		d.say(Unknown, "policy", name, "Look whether the App has the permission contents: read.", "%s could not be read: %s", policy.Path, file.Why)
	}
	d.required(ctx, r, cmp.Or(s.Value.Default, r.Default), check, have)
}

func (d *doctor) required(ctx context.Context, r forge.Repository, branch, check string, have forge.Grant) {
	name := string(r.Name)
	b, err := d.GitHub.BranchRules(ctx, r.Name, branch)
	if err != nil {
		d.say(Unknown, "required", name, "Try again.", "what %s requires could not be read: %v", branch, err)
		return
	}
	page := fmt.Sprintf("%s/%s/settings/rules", d.Web, name)
	var own, open, foreign bool
	for _, q := range b.Required {
		if !strings.EqualFold(q.Check, check) {
			continue
		}
		switch q.App {
		case d.AppID:
			own = true
		case 0:
			open = true
		default:
			foreign = true
		}
	}
	switch {
	case foreign:
		d.say(Problem, "required", name, "Choose relbot as the source: "+page, "%s requires %s from another App: no pull request can ever merge", branch, check)
	case own:
		d.say(Fine, "required", name, "", "%s requires %s from this App", branch, check)
	case open:
		d.say(Problem, "required", name, "Choose relbot as the source instead of any: "+page, "%s requires %s from any source: everybody with write access can set it to green", branch, check)
	default:
		d.say(Problem, "required", name, "Add it as a required status check, with relbot as the source: "+page+". GitHub offers it once it has been green on some pull request.", "%s does not require %s: nothing is held back", branch, check)
	}
	if b.Queue && !slices.Contains(have.Events, "merge_group") {
		d.say(Problem, "merge-queue", name, "Let the App ask for the permission merge_queues: read and the event merge_group, and let the account agree.", "%s takes merges by a queue, and relbot is not notified of its groups: each of them waits until it times out", branch)
	} else if b.Queue {
		d.say(Fine, "merge-queue", name, "", "relbot is notified of the groups of %s", branch)
		d.queue(ctx, name, r.Name, branch)
	}
}

// queue tries whether the entries of a merge queue can be read: by them relbot knows which pull requests are in a group.
func (d *doctor) queue(ctx context.Context, name string, repo coupling.Repo, branch string) {
	q, err := d.GitHub.Queue(ctx, repo, branch)
	switch {
	case q.Entries.Known() && q.Strategy != "" && q.Method != "":
		d.say(Fine, "queue-entries", name, "", "the entries of the merge queue of %s can be read", branch)
	case q.Entries.Known():
		d.say(Warning, "queue-entries", name, "Nothing, unless groups fail for pull requests ahead of them: relbot then judges all that is in a group.", "the entries of the merge queue of %s can be read, but not how it groups and merges", branch)
	case err != nil && !errors.Is(err, forge.ErrGone):
		d.say(Unknown, "queue-entries", name, "Try again.", "the merge queue of %s could not be read: %v", branch, err)
	default:
		d.say(Problem, "queue-entries", name, "Let the App ask for the permission merge_queues: read, and let the account agree.", "the entries of the merge queue of %s cannot be read (%s): relbot goes by the events of the groups alone", branch, q.Entries.Why)
	}
}
