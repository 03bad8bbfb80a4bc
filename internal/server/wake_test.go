package server_test

import (
	"slices"
	"testing"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/ghsim"
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

// TestCommandBeforeInstallation holds that a command that comes before the news of the installation is answered as soon as the repository is known: the
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

// TestUninstalledWhileAwaited holds that a coupling that waits for what was said in a repository is judged when the App is taken off that: nothing is
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
