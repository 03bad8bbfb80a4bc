package check

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/opencontainers/go-digest"
)

// offline knows nothing of any image, so that no registry is asked.
type offline struct{}

func (offline) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return ref, "", []byte(`{"architecture":"amd64","os":"linux","config":{}}`), nil
}

// TestDockerfile runs the checks of `docker build --check`, and holds what the image promises.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	source := llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", text)
	source.Definition = &llb.Definition{}
	results, err := dockerfile2llb.DockerfileLint(t.Context(), text, dockerfile2llb.ConvertOpt{MetaResolver: offline{}, SourceMap: source})
	if err != nil {
		t.Fatal(err)
	}
	if results.Error != nil {
		t.Error(results.Error.Message)
	}
	for _, w := range results.Warnings {
		t.Errorf("%s: %s", w.RuleName, w.Detail)
	}
	parsed, err := parser.Parse(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	last := stages[len(stages)-1]
	if !strings.HasPrefix(last.BaseName, "gcr.io/distroless/static") {
		t.Errorf("the image is based on %s", last.BaseName)
	}
	found := map[string]string{}
	for _, c := range last.Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			found["user"] = c.User
		case *instructions.HealthCheckCommand:
			found["health"] = strings.Join(c.Health.Test, " ")
		case *instructions.EntrypointCommand:
			found["entrypoint"] = strings.Join(c.CmdLine, " ")
		case *instructions.CmdCommand:
			found["command"] = strings.Join(c.CmdLine, " ")
		}
	}
	for what, want := range map[string]string{"user": "nonroot", "health": "CMD /relbot probe", "entrypoint": "/relbot", "command": "serve"} {
		if found[what] != want {
			t.Errorf("%s: %q, want %q", what, found[what], want)
		}
	}
}

// TestCompose loads the file as Compose does, against its schema.
func TestCompose(t *testing.T) {
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: dir, ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "compose.yml")}}, Environment: types.Mapping{"POSTGRES_PASSWORD": "x"},
	}, func(o *loader.Options) {
		o.SetProjectName("relbot", true)
		o.SkipResolveEnvironment = true // .env is the operator's
	})
	if err != nil {
		t.Fatal(err)
	}
	s := p.Services["relbot"]
	if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.Privileged {
		t.Errorf("relbot may do too much: %+v", s)
	}
	if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < 25*time.Second {
		t.Errorf("Compose kills after %v; the server takes up to 20 s to finish its work", s.StopGracePeriod)
	}
	if len(s.Secrets) > 0 || len(s.EnvFiles) != 1 || filepath.Base(s.EnvFiles[0].Path) != ".env" {
		t.Errorf("it needs files that setup would have to write first, or that have no example: %+v %+v", s.Secrets, s.EnvFiles)
	}
	for _, port := range s.Ports {
		if port.HostIP != "127.0.0.1" {
			t.Errorf("port %d is published on %q", port.Target, port.HostIP)
		}
	}
	found := layout{User: 65532, Args: []string{"serve"}, Env: imageEnv(t), Writable: map[string]string{}}
	for name, text := range s.Environment {
		found.Env[name] = *text
	}
	for _, v := range s.Volumes {
		if _, ok := p.Volumes[v.Source]; !ok || v.Type != types.VolumeTypeVolume {
			t.Errorf("%s is no named volume: %+v", v.Target, v)
		}
		found.Writable[v.Target] = "kept"
	}
	for _, mount := range s.Tmpfs {
		path, _, _ := strings.Cut(mount, ":")
		found.Writable[path] = "lost"
	}
	found.hold(t, "compose")
	// The example has all that the file asks for.
	text, err := os.ReadFile("../env.example")
	if err != nil || !regexp.MustCompile(`(?m)^POSTGRES_PASSWORD=[A-Za-z0-9-]+$`).Match(text) {
		t.Errorf("env.example: %v %s", err, text)
	}
	for on := range s.DependsOn {
		if d, ok := p.Services[on]; !ok || s.DependsOn[on].Condition == types.ServiceConditionHealthy && d.HealthCheck == nil {
			t.Errorf("relbot waits for %q to be healthy, which does not say", on)
		}
	}
	if _, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{WorkingDir: dir, ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "compose.yml")}}, Environment: types.Mapping{}}, func(o *loader.Options) {
		o.SetProjectName("relbot", true)
		o.SkipResolveEnvironment = true
	}); err == nil || !strings.Contains(err.Error(), "set it in .env") {
		t.Errorf("without a password: %v", err)
	}
}

// TestUnit lets systemd read the unit, and says how exposed it is at most.
func TestUnit(t *testing.T) {
	text, err := os.ReadFile("../relbot.service")
	if err != nil {
		t.Fatal(err)
	}
	// systemd wants the program to be there.
	installed := regexp.MustCompile(`(?m)^ExecStart=\S+`).ReplaceAll(text, []byte("ExecStart=/bin/true"))
	unit := filepath.Join(t.TempDir(), "relbot.service")
	if err := os.WriteFile(unit, installed, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	for _, line := range []string{"StateDirectory=relbot", "DynamicUser=yes", "serve --state %S/relbot"} {
		if !strings.Contains(string(text), line) {
			t.Errorf("the unit does not say %s", line)
		}
	}
	if strings.Contains(string(text), "Credential") {
		t.Error("the unit needs a credential, which setup would have to write first")
	}
	if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", unit).CombinedOutput(); err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
}
