package check

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// promtool runs the real tool.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("../../.ci/promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestAlerts holds the rules, and that each fires when it should and not on a healthy server.
func TestAlerts(t *testing.T) {
	promtool(t, "check", "rules", "../prometheus/alerts.yml")
	promtool(t, "test", "rules", "../prometheus/alerts_test.yml")
}

// TestDashboard holds that every query parses, and that panels neither overlap nor share an id.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../grafana/relbot.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	queries := 0
	ids, cells := map[int]bool{}, map[[2]int]string{}
	parse := parser.NewParser(parser.Options{})
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: its id is another's", p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken || x >= 24 {
					t.Fatalf("%s lies over %q, or beyond the edge", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, q := range p.Targets {
			queries++
			if _, err := parse.ParseExpr(strings.NewReplacer("$__rate_interval", "5m", "$job", "relbot").Replace(q.Expr)); err != nil {
				t.Errorf("%s: %s: %v", p.Title, q.Expr, err)
			}
		}
	}
	if queries < 20 {
		t.Errorf("%d queries were read", queries)
	}
}
