package server_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/telemetry"
)

const lib = coupling.Repo("acme/lib")

func (r *rig) must(errs ...error) {
	r.Helper()
	for _, err := range errs {
		if err != nil {
			r.Fatal(err)
		}
	}
}

// idle holds that nothing is left to be done, not even later.
func (r *rig) idle() {
	r.Helper()
	jobs, err := r.Jobs(r.Context())
	r.must(err)
	for _, j := range jobs {
		r.Errorf("%s %s waits until %v: %s", j.Kind, j.Key, j.At, j.Error)
	}
}

// TestCommandBeforeInstallation holds that a command that comes before the news of the installation is answered as soon as the repository is known. The
// clock stands still.
func TestCommandBeforeInstallation(t *testing.T) {
	r := newRig(t, ghsim.RepoSpec{Name: repo}, telemetry.Options{})
	r.must(r.gh.CreateRepo(ghsim.RepoSpec{Name: lib, Permissions: map[string]string{"ann": "write"}}), r.gh.Install(lib))
	r.must(r.gh.Open(ghsim.OpenSpec{Repo: lib, Number: 1, By: "ann", Title: "T", Files: map[string]*string{"f": text("x")}}))
	r.gh.DropOutbox()
	p := coupling.Pull{Repo: lib, Number: 1}
	r.gh.Comment(ghsim.CommentSpec{Pull: p, By: "ann", Body: "/relbot status"})
	r.flush()
	r.work()
	r.idle()
	if !slices.ContainsFunc(r.gh.Comments(p), func(c ghsim.Comment) bool { return slices.Contains(c.Reactions, "+1") }) {
		t.Errorf("not answered: %+v", r.gh.Comments(p))
	}
}

// TestUninstalledWhileAwaited holds that a coupling that waits for what was said in a repository is judged when the App is taken off that. Nothing is
// to be waited for any more.
func TestUninstalledWhileAwaited(t *testing.T) {
	r := newRig(t, ghsim.RepoSpec{Name: repo}, telemetry.Options{})
	r.must(r.gh.CreateRepo(ghsim.RepoSpec{Name: lib, Policy: "version: 1\ntrust: [acme/app]\n"}), r.gh.AddFault(ghsim.Fault{Match: "GET /repos/acme/lib/issues/comments*", Answer: "502", Times: -1}), r.gh.Install(lib))
	p := coupling.Pull{Repo: repo, Number: 1}
	for _, name := range []coupling.Repo{repo, lib} {
		r.must(r.gh.Open(ghsim.OpenSpec{Repo: name, Number: 1, By: "ann", Title: "T", Files: map[string]*string{"f": text("x")}}))
	}
	r.settle()
	r.must(r.gh.Push(ghsim.PushSpec{Repo: repo, Branch: "main", Files: map[string]*string{".github/relbot.yml": text("version: 1\ncouplings: {set: {members: {a: {pr: 1}, b: {pr: acme/lib#1}}}}\n")}}))
	r.settle()
	judged := func() bool {
		d, err := r.st.Get(t.Context(), "judgement", "acme/app:set")
		r.must(err)
		return d.Rev > 0
	}
	if judged() {
		t.Fatal("judged without waiting: this test shows nothing")
	}
	r.must(r.gh.Uninstall(lib))
	r.flush()
	r.work()
	if check, _ := r.gh.CurrentCheck(p); !judged() || check.Title != "Unknown: acme/lib#1 could not be read" {
		t.Errorf("judged %v: %+v", judged(), check)
	}
}

// TestBrokenOffBehindAJudgement holds that who left a coupling is shown without it, though what judged it was broken off right after it wrote that down.
func TestBrokenOffBehindAJudgement(t *testing.T) {
	policy := func(members string) *string {
		return text("version: 1\ncouplings: {set: {members: {" + members + "}}}\n")
	}
	r := newRig(t, ghsim.RepoSpec{Name: repo, Policy: *policy("a: {pr: 1}, b: {pr: 2}, c: {pr: 3}")}, telemetry.Options{})
	for n := 1; n <= 3; n++ {
		r.must(r.gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "T", Files: map[string]*string{fmt.Sprint("f", n): text("x")}}))
	}
	r.settle()
	judged := false
	r.before = func(docs []store.Document) {
		if judged {
			r.before = nil
			panic("broken off")
		}
		judged = slices.ContainsFunc(docs, func(d store.Document) bool { return d.Kind == "judgement" })
	}
	r.must(r.gh.Push(ghsim.PushSpec{Repo: repo, Branch: "main", Files: map[string]*string{".github/relbot.yml": policy("a: {pr: 1}, b: {pr: 2}")}}))
	r.settle()
	if r.before != nil {
		t.Fatal("nothing was broken off: this test shows nothing")
	}
	if check, _ := r.gh.CurrentCheck(coupling.Pull{Repo: repo, Number: 3}); check.Title != "Passed: in no coupling" {
		t.Errorf("shown: %s", check.Title)
	}
}

// TestEventsTheWrongWayRound holds that the newest head gets its check though the event of an older one came last, before anything was done about either.
func TestEventsTheWrongWayRound(t *testing.T) {
	r := newRig(t, ghsim.RepoSpec{Name: repo}, telemetry.Options{})
	r.must(r.gh.Open(ghsim.OpenSpec{Repo: repo, Number: 1, By: "ann", Title: "T", Files: map[string]*string{"f": text("x")}}))
	r.settle()
	for _, content := range []string{"y", "z"} {
		r.now = r.now.Add(time.Second)
		r.must(r.gh.Push(ghsim.PushSpec{Repo: repo, Pull: 1, Files: map[string]*string{"f": text(content)}}))
	}
	var came []ghsim.Delivery
	r.gh.Flush(t.Context(), func(_ context.Context, d ghsim.Delivery) (int, error) {
		came = append(came, d)
		return http.StatusAccepted, nil
	})
	for _, d := range slices.Backward(came) {
		if code, _ := r.deliver(t.Context(), d); code != http.StatusAccepted {
			t.Fatal(code)
		}
	}
	r.work()
	if check, ok := r.gh.CurrentCheck(coupling.Pull{Repo: repo, Number: 1}); !ok {
		t.Errorf("no check on the newest head: %+v", check)
	}
}

// TestButtonBesideAnEvent holds that a check is written again when somebody asks for that, though something else happens to the pull request before
// it is done.
func TestButtonBesideAnEvent(t *testing.T) {
	r := newRig(t, ghsim.RepoSpec{Name: repo}, telemetry.Options{})
	p := coupling.Pull{Repo: repo, Number: 1}
	r.must(r.gh.Open(ghsim.OpenSpec{Repo: repo, Number: 1, By: "ann", Title: "T", Files: map[string]*string{"f": text("x")}}))
	r.settle()
	before, _ := r.gh.CurrentCheck(p)
	r.must(r.gh.Rerequest(ghsim.RerequestSpec{Pull: p}))
	r.flush()
	r.now = r.now.Add(time.Second)
	r.must(r.gh.Edit(ghsim.EditSpec{Pull: p, Title: text("Other")}))
	r.flush()
	r.work()
	if check, _ := r.gh.CurrentCheck(p); check.ExternalID == before.ExternalID {
		t.Errorf("nothing was written: %+v", check)
	}
}

// sharing opens two pull requests with one head, the first of them in a coupling with a third. It holds the coupling in the midst of showing the second
// for the first time.
func sharing(t *testing.T) *rig {
	r := newRig(t, ghsim.RepoSpec{Name: repo, Policy: drifting + "couplings: {set: {title: Set, members: {a: {pr: 1}, b: {pr: 3}}}}\n", Files: map[string]string{"VERSION": "1.4.0-dev.0\n"}, Permissions: map[string]string{"ann": "write"}}, telemetry.Options{})
	same := map[string]*string{"f": text("x")}
	r.must(r.gh.Open(ghsim.OpenSpec{Repo: repo, Number: 3, By: "ann", Title: "Other", Files: map[string]*string{"g": text("x")}}))
	r.must(r.gh.Open(ghsim.OpenSpec{Repo: repo, Number: 1, By: "ann", Title: "Same", Files: same}))
	opened := r.now
	r.settle()
	now := r.now
	r.now = opened
	r.must(r.gh.Open(ghsim.OpenSpec{Repo: repo, Number: 2, By: "ann", Title: "Same", Files: same}))
	r.now = now
	hold := func() {
		r.before = nil
		r.gh.Comment(ghsim.CommentSpec{Pull: coupling.Pull{Repo: repo, Number: 3}, By: "ann", Body: "/relbot hold until Monday"})
		r.flush()
		r.work()
	}
	r.before = func(docs []store.Document) {
		if slices.ContainsFunc(docs, func(d store.Document) bool { return d.Kind == "page" && d.Key == "acme/app#2" }) {
			hold()
		}
	}
	r.settle()
	if r.before != nil { // it is shown by another row, which writes no page
		hold()
	}
	r.settle()
	return r
}

// TestSharedHead holds that of two pull requests with one head, and so one check, none has its older verdict written over a newer one. The check is shown again
// when one of them is closed or goes on to another head.
func TestSharedHead(t *testing.T) {
	first, second := coupling.Pull{Repo: repo, Number: 1}, coupling.Pull{Repo: repo, Number: 2}
	for name, leave := range map[string]func(r *rig) error{
		"closed": func(r *rig) error { return r.gh.Close(first, "ann") },
		"pushed": func(r *rig) error {
			return r.gh.Push(ghsim.PushSpec{Repo: repo, Pull: 1, By: "ann", Files: map[string]*string{"f": text("y")}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := sharing(t)
			one, _ := r.gh.CurrentCheck(first)
			two, _ := r.gh.CurrentCheck(second)
			if one.Head != two.Head {
				t.Fatal("two heads: this test shows nothing")
			}
			if !strings.HasPrefix(two.Title, "Blocked") {
				t.Errorf("held, and shown: %s", two.Title)
			}
			r.must(leave(r))
			r.settle()
			if two, _ = r.gh.CurrentCheck(second); two.Title != "Passed: in no coupling" {
				t.Errorf("alone, and shown: %s", two.Title)
			}
		})
	}
}

// TestCircleOfTrust holds that repositories that trust each other are ready as soon as they were read: the clock stands still.
func TestCircleOfTrust(t *testing.T) {
	r := newRig(t, ghsim.RepoSpec{Name: repo}, telemetry.Options{})
	one, two := coupling.Repo("acme/one"), coupling.Repo("acme/two")
	r.must(r.gh.CreateRepo(ghsim.RepoSpec{Name: one, Policy: "version: 1\ntrust: [acme/two]\n"}), r.gh.CreateRepo(ghsim.RepoSpec{Name: two, Policy: "version: 1\ntrust: [acme/one]\n"}))
	r.must(r.gh.Install(one), r.gh.Install(two), r.gh.Open(ghsim.OpenSpec{Repo: one, Number: 1, By: "ann", Title: "T", Files: map[string]*string{"f": text("x")}}))
	r.flush()
	r.work()
	r.idle()
	if check, _ := r.gh.CurrentCheck(coupling.Pull{Repo: one, Number: 1}); check.Title != "Passed: in no coupling" {
		t.Errorf("shown: %s", check.Title)
	}
}

// TestClosedMeanwhile holds that a coupling learns that a member was closed, though it took it up only while that was being noted.
func TestClosedMeanwhile(t *testing.T) {
	r := newRig(t, ghsim.RepoSpec{Name: repo, Policy: "version: 1\ncouplings: {set: {members: {a: {pr: 1}, b: {pr: 2}}}}\n"}, telemetry.Options{})
	p, other := coupling.Pull{Repo: repo, Number: 1}, coupling.Pull{Repo: repo, Number: 2}
	for n := 1; n <= 2; n++ {
		r.must(r.gh.Open(ghsim.OpenSpec{Repo: repo, Number: n, By: "ann", Title: "T", Files: map[string]*string{fmt.Sprint("f", n): text("x")}}))
	}
	r.settle()
	// As if it were noted only later that the pull request is a member.
	member, err := r.st.Get(t.Context(), "member", p.String())
	r.must(err, r.st.Put(t.Context(), []store.Document{{Kind: member.Kind, Key: member.Key, Rev: member.Rev}}, nil), r.gh.Close(p, "ann"))
	r.meanwhile(p, func() {
		member.Rev = 0
		r.must(r.st.Put(t.Context(), []store.Document{member}, nil))
	})
	r.settle()
	if check, _ := r.gh.CurrentCheck(other); r.before != nil || !strings.HasPrefix(check.Title, "Blocked") {
		t.Errorf("of the other member: %s", check.Title)
	}
}

// TestOlderSurvey holds that the newest policy comes into force though somebody who read the one before it writes last.
func TestOlderSurvey(t *testing.T) {
	older, newer := "version: 1\npermissions: {link: triage}\n", "version: 1\npermissions: {link: admin}\n"
	r := newRig(t, ghsim.RepoSpec{Name: repo}, telemetry.Options{})
	push := func(policy string) {
		r.must(r.gh.Push(ghsim.PushSpec{Repo: repo, Branch: "main", Files: map[string]*string{".github/relbot.yml": text(policy)}}))
	}
	force := func() store.Document {
		d, err := r.st.Get(t.Context(), "repo", string(repo))
		r.must(err)
		return d
	}
	push(older)
	r.flush()
	r.before = func(docs []store.Document) {
		if slices.ContainsFunc(docs, func(d store.Document) bool { return d.Kind == "repo" }) {
			r.before = nil
			push(newer)
			r.gh.DropOutbox()
			// Another worker reads it, and is faster.
			d := force()
			d.Body = []byte(strings.Replace(string(d.Body), `"policy":""`, `"policy":`+strconv.Quote(newer), 1))
			r.must(r.st.Put(t.Context(), []store.Document{d}, nil))
		}
	}
	r.settle()
	if d := force(); r.before != nil || !strings.Contains(string(d.Body), "link: admin") {
		t.Errorf("in force: %s", d.Body)
	}
}
