package note

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/rules"
)

var update = flag.Bool("update", false, "write the golden files")

// golden holds a text against testdata/NAME. No text of relbot's may hold a line that begins as a command does.
func golden(t *testing.T, name, got string) {
	t.Helper()
	for line := range strings.SplitSeq(got, "\n") {
		if strings.HasPrefix(line, "/relbot") {
			t.Errorf("%s: a line begins as a command: %q", name, line)
		}
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) == got {
		return
	}
	a, b := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("%s:%d differs (-update writes it)\nwant %s\ngot  %s", path, i+1, a[i], b[i])
		}
	}
	t.Fatalf("%s: %d lines, want %d (-update writes it)", path, len(b), len(a))
}

func pr(n int) coupling.Pull { return coupling.Pull{Repo: "acme/app", Number: n} }

var noon = time.Date(2026, 6, 12, 12, 0, 0, 0, time.UTC)

// distroless is the coupling of the story: an image that needs a gate, and a handler that may ship alone.
func distroless() rules.Judgement {
	c := coupling.Coupling{
		Name: "distroless", Home: "acme/app", Title: "Distroless migration", SameRelease: true, Origin: coupling.FromPolicy,
		Members: []coupling.Member{
			{Role: "image", Pull: pr(1), Origin: coupling.FromPolicy},
			{Role: "sigterm", Pull: pr(2), SafeAlone: true, Origin: coupling.FromPolicy},
			{Role: "gate", Pull: pr(3), Origin: coupling.FromPolicy},
		},
		Order: []coupling.Edge{
			{Before: "sigterm", After: "image", Together: true, Reason: "PID 1 without a handler ignores SIGTERM", Origin: coupling.FromPolicy},
			{Before: "gate", After: "image", Reason: "nonroot images need the matching securityContext", Origin: coupling.FromPolicy},
		},
		Gates: []coupling.GateUse{{Gate: "uid", Subject: "image"}},
	}
	cut := rules.Reason{
		Code: rules.GateCutWithout, Coupling: c.Key(), Gate: "uid", Name: "V26_28_0", Value: "26.28.0", Want: "26.29.0",
		Release: "26.28.0", Tag: "v26.28.0-rc.1", Path: "src/gate.rs", Line: 1,
	}
	return rules.Judgement{
		Coupling: c, State: coupling.Open, Base: "main", Train: "26.29.0", OneRelease: [][]coupling.Pull{{pr(1), pr(2), pr(3)}},
		Members: []rules.MemberState{
			{Role: "image", Pull: pr(1), Title: "switch to the distroless base", Author: "ann", State: "draft", WaitsFor: []coupling.Pull{pr(2), pr(3)}, ShipsIn: "26.29.0", Method: "train",
				Verdict: rules.Verdict{Pull: pr(1), Level: rules.Block, Reasons: []rules.Reason{cut}}},
			{Role: "sigterm", Pull: pr(2), Title: "handle SIGTERM", Author: "bob", State: "open", SafeAlone: true, ShipsIn: "26.29.0", Method: "train",
				Verdict: rules.Verdict{Pull: pr(2), Level: rules.Pass}},
			{Role: "gate", Pull: pr(3), Title: "choose the uid by version", Author: "ann", State: "open", ShipsIn: "26.29.0", Method: "train",
				Verdict: rules.Verdict{Pull: pr(3), Level: rules.Block, Reasons: []rules.Reason{cut}, Warnings: []rules.Reason{{Code: rules.HeadBehind, Coupling: c.Key(), Value: "26.28.0-dev.0", Other: "26.29.0-dev.0", Path: "VERSION"}}}},
		},
		Gates: []rules.GateState{{ID: "uid", Title: "run as nonroot", Subject: "image", Owner: pr(3), Name: "V26_28_0", Value: "26.28.0", Want: "26.29.0", Path: "src/gate.rs", Line: 1, Level: rules.Block, Evidence: "train", Reasons: []rules.Reason{cut}}},
	}
}

// landing is the same coupling after the handler and, past the check, the image were merged.
func landing() rules.Judgement {
	j := distroless()
	j.State = coupling.Broken
	j.Members[0].State, j.Members[0].MergedBy, j.Members[0].Verdict, j.Members[0].WaitsFor = "merged", "root", rules.Verdict{Pull: pr(1), Level: rules.Pass}, nil
	j.Members[1].State, j.Members[1].Shipped, j.Members[1].ShipsIn, j.Members[1].Tag, j.Members[1].Method = "merged", true, "26.28.0", "v26.28.0-rc.1", "ancestry"
	half := rules.Reason{Code: rules.HalfLanded, Coupling: j.Coupling.Key(), Pulls: []coupling.Pull{pr(1), pr(2)}, Release: "26.29.0"}
	j.Members[2].Verdict = rules.Verdict{Pull: pr(3), Level: rules.Pass, Warnings: []rules.Reason{half}}
	j.Gates[0].Value, j.Gates[0].Level, j.Gates[0].Reasons = "26.29.0", rules.Pass, nil
	j.Alarms = []rules.Alarm{{
		Reason: rules.Reason{Code: rules.OrderBroken, Coupling: j.Coupling.Key(), About: pr(1), Pulls: []coupling.Pull{pr(3)}, Edges: j.Coupling.Order[1:2], By: "root"},
		Notify: []coupling.Pull{pr(1), pr(3)},
	}}
	return j
}

// private is a coupling with a member in a private repository.
func private() rules.Judgement {
	j := distroless()
	docs := coupling.Pull{Repo: "acme/vault", Number: 77}
	j.Coupling.Members = append(j.Coupling.Members, coupling.Member{Role: coupling.DefaultRole(docs, "acme/app"), Pull: docs, Origin: coupling.FromCommand})
	j.Coupling.Order = append(j.Coupling.Order, coupling.Edge{Before: coupling.DefaultRole(docs, "acme/app"), After: "image", Origin: coupling.FromCommand})
	j.Members = append(j.Members, rules.MemberState{Role: coupling.DefaultRole(docs, "acme/app"), Pull: docs, Title: "the hidden title", Author: "zoe", State: "open", Private: true, ShipsIn: "4.0.0",
		Verdict: rules.Verdict{Pull: docs, Level: rules.Pass}})
	j.Members[0].WaitsFor = append(j.Members[0].WaitsFor, docs)
	j.Members[0].Verdict = rules.Verdict{Pull: pr(1), Level: rules.Wait, Reasons: []rules.Reason{{Code: rules.OrderWaiting, Coupling: j.Coupling.Key(), Pulls: j.Members[0].WaitsFor, Edges: j.Coupling.Order[2:3]}}}
	return j
}
