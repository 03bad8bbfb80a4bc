package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relbot/relbot/internal/ghsim"
	"github.com/relbot/relbot/internal/gitrepo/gittest"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/settings"
)

// TestConfigInit drafts a policy for a clone, and never writes over one.
func TestConfigInit(t *testing.T) {
	r := gittest.New(t)
	r.Write("Cargo.toml", "[package]\nname = \"x\"\nversion = \"1.4.0-dev.0\"\n")
	r.Write("src/gate.rs", "const V1_3_0: Version = Version::new(1, 3, 0);\n")
	r.Commit("begin")
	for _, tag := range []string{"v1.1.0", "v1.2.0", "v1.3.0-rc.1", "v1.3.0"} {
		r.Git("tag", tag)
	}
	path := filepath.Join(r.Dir, policy.Path)
	out, errs, code := relbot(t, "config", "init", r.Dir)
	if code != exitFine || !strings.Contains(out, "is written") || !strings.Contains(errs, "1 constant looks like a version gate: it is in the file as a comment.") {
		t.Fatalf("exit %d: %s %s", code, out, errs)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "- {path: Cargo.toml, toml: package.version} # 1.4.0-dev.0") {
		t.Errorf("%s %v", text, err)
	}
	if out, errs, code := relbot(t, "config", "validate", path); code != exitFine {
		t.Errorf("exit %d: %s %s", code, out, errs)
	}
	mine := "version: 1\n# mine\n"
	r.Write(policy.Path, mine)
	if _, errs, code = relbot(t, "config", "init", r.Dir); code != exitUsage || !strings.Contains(errs, "--force") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if text, _ := os.ReadFile(path); string(text) != mine {
		t.Errorf("it was written over: %s", text)
	}
	if _, errs, code = relbot(t, "config", "init", "--force", r.Dir); code != exitFine {
		t.Errorf("exit %d: %s", code, errs)
	}
	if text, _ := os.ReadFile(path); !strings.Contains(string(text), "Cargo.toml") {
		t.Errorf("it was not written over: %s", text)
	}
	if _, errs, code = relbot(t, "config", "init", t.TempDir()); code != exitUsage || !strings.Contains(errs, "drafted from a clone") {
		t.Errorf("no clone: exit %d: %s", code, errs)
	}
}

// TestConfigExplain tells what a policy means for the pull requests that are open.
func TestConfigExplain(t *testing.T) {
	c := newClinic(t)
	const inForce = `version: 1
releases: {dev_version: [{path: VERSION, pattern: "(?P<version>\\S+)"}], tags: "v{version}"}
gates: {g: {find: {path: gate.py, symbol: MIN}}}
couplings: {set: {title: The set, members: {server: {pr: 1}, client: {pr: 2}}, order: ["server before client: the call must exist"], gates: {g: server}}}
`
	version, gate, wrong, text := "1.2.0-dev\n", "MIN = \"1.0.0\"\n", "MIN = \"1.1.0\"\n", inForce
	if err := c.Push(ghsim.PushSpec{Repo: doctorRepo, Branch: "main", Files: map[string]*string{policy.Path: &text, "VERSION": &version, "gate.py": &gate}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Tag(doctorRepo, ghsim.TagSpec{Name: "v1.1.0"}); err != nil {
		t.Fatal(err)
	}
	for n, files := range []map[string]*string{{"gate.py": &wrong}, {"b": &gate}, {"c": &gate}} {
		if err := c.Open(ghsim.OpenSpec{Repo: doctorRepo, Number: n + 1, By: "ann", Title: "T", Files: files}); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GITHUB_TOKEN", "ghp_ann")
	online := []string{"--repo", string(doctorRepo), "--api-url", c.api.URL}
	expect := func(args []string, code int, want ...string) {
		t.Helper()
		out, errs, got := relbot(t, append([]string{"config", "explain"}, args...)...)
		if got != code {
			t.Errorf("%v: exit %d, want %d: %s %s", args, got, code, out, errs)
		}
		for _, text := range want {
			if !strings.Contains(out+errs, text) {
				t.Errorf("%v: without %q:\n%s%s", args, text, out, errs)
			}
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.yml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(inForce)
	expect([]string{file}, exitFine, "Releases are the tags v{version}", "server has to merge before client: the call must exist", "The gate g in gate.py must name the release in which server first ships")
	expect(online, exitFine,
		"Now it is open; what merges into main ships in 1.2.0.", "server #1 is open: it is blocked.", "gate-cut-without: ", "client #2 is open and may merge.", "order-queued: ",
		"unless they change a registered gate or the policy: #3.")
	// A policy that is not in force yet, in its place.
	write("version: 1\ncouplings: {other: {members: {a: {pr: 3}}}}\n")
	expect(append([]string{file}, online...), exitFine, "No releases are declared", "a #3 is open and may merge.", "unless they change the policy: #1, #2.")
	write("version: 1\ngates: 7\n")
	expect(append([]string{file}, online...), exitUsage, "policy.yml:2:")
	// As the App, by the server's settings.
	config := filepath.Join(dir, "relbot.yml")
	key := filepath.Join(dir, "app.pem")
	if err := os.WriteFile(key, []byte(c.set["github_private_key"]), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GITHUB_TOKEN", "")
	expect(online, exitUsage, "no token: set GITHUB_TOKEN, or give --token-file or --config")
	t.Setenv(settings.Setting{Name: "webhook_secret"}.Env(), "x")
	if err := os.WriteFile(config, []byte("github_app_id: 7\ngithub_private_key_file: "+key+"\ngithub_api_url: "+c.api.URL+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect([]string{"--repo", string(doctorRepo), "--config", config}, exitFine, "server #1 is open: it is blocked.")
	expect([]string{"--repo", "acme/none", "--config", config}, exitUnknown, "acme/none")
	if _, writes := c.Counts(); writes > 0 {
		t.Errorf("%d writes", writes)
	}
}
