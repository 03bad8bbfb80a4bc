package dashboard

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/drift"
	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/reconcile"
	"github.com/relbot/relbot/internal/rules"
)

// pageSize is how many couplings one page of the list shows.
const pageSize = 100

// standing is which state a coupling is in, in one word.
type standing string

// The standings, most urgent first.
const (
	isBroken  standing = "broken"
	isBlocked standing = "blocked"
	isUnknown standing = "unknown"
	isReady   standing = "ready"
	isWaiting standing = "waiting"
	isLanded  standing = "landed"
	isEnded   standing = "ended"
)

var standings = []standing{isBroken, isBlocked, isUnknown, isReady, isWaiting, isLanded, isEnded}

func (s standing) rank() int { return slices.Index(standings, s) }

// standingOf tells which state a coupling is in; worst says what the checks of its members say.
func standingOf(j rules.Judgement, worst levels) standing {
	switch {
	case j.State == coupling.Broken:
		return isBroken
	case j.State.Ended():
		return isEnded
	case j.State == coupling.Landed:
		return isLanded
	}
	seen := map[rules.Level]bool{}
	for _, m := range j.Members {
		if isOpen(m) {
			seen[worst.of(m)] = true
		}
		seen[rules.Unknown] = seen[rules.Unknown] || m.State == "unreadable"
	}
	switch {
	case seen[rules.Block]:
		return isBlocked
	case seen[rules.Unknown]:
		return isUnknown
	case seen[rules.Pass]:
		return isReady
	}
	return isWaiting
}

func isOpen(m rules.MemberState) bool { return m.State == "open" || m.State == "draft" }

// levels are the levels of pull requests over all their couplings: what their checks say.
type levels map[coupling.Pull]rules.Level

func (l levels) of(m rules.MemberState) rules.Level {
	if worst, ok := l[m.Pull]; ok {
		return worst
	}
	return m.Verdict.Level
}

var severity = map[rules.Level]int{rules.Pass: 0, rules.Wait: 1, rules.Unknown: 2, rules.Block: 3}

func (l levels) add(p coupling.Pull, level rules.Level) {
	if was, ok := l[p]; !ok || severity[level] > severity[was] {
		l[p] = level
	}
}

func levelsOf(all []reconcile.Coupled) levels {
	out := levels{}
	for _, c := range all {
		for _, m := range c.Members {
			if isOpen(m) {
				out.add(m.Pull, m.Verdict.Level)
			}
		}
	}
	return out
}

// dot is a member at a glance.
type dot struct {
	Class string // of the verdict or the state
	Text  string
}

// row is a coupling in the list.
type row struct {
	Standing standing
	Title    string
	Href     string
	Name     string
	Repo     coupling.Repo
	Dots     []dot
	More     int    // members beyond the dots
	Ships    string // release
	Split    string // the release whose cut would split it
	Next     string // Markdown
	By       []string
}

// filter is what is asked of the list.
type filter struct {
	State string
	Repo  string
	Text  string
	Page  int
}

func (f filter) href(base string, change func(*filter)) string {
	change(&f)
	q := url.Values{}
	for k, v := range map[string]string{"state": f.State, "repo": f.Repo, "q": f.Text} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if f.Page > 1 {
		q.Set("page", strconv.Itoa(f.Page))
	}
	if len(q) == 0 {
		return base + "/"
	}
	return base + "/?" + q.Encode()
}

// tab is a filter by state.
type tab struct {
	Name    string
	Href    string
	Count   int
	Current bool
	Class   string
}

// cut is what the next cut of a release would split.
type cut struct {
	Release string
	Repo    coupling.Repo
	Rows    []row
}

type listPage struct {
	Filter   filter
	Repos    []coupling.Repo
	Tabs     []tab
	Cuts     []cut
	MoreCuts int
	Trains   []cut // next releases that split nothing
	Rows     []row
	Total    int
	Prev     string
	Next     string
	Clear    string
	Any      bool // there are couplings at all
}

// tabOf is a tab, with what is in it by which state a coupling is in and the release that would split it.
type tabOf struct {
	key, name string
	in        func(standing, string) bool
}

// tabs are the filters by state; "" is all couplings that have not ended.
var tabs = []tabOf{
	{"", "Open", func(s standing, _ string) bool { return s != isEnded }},
	{"split", "Next cut splits", func(s standing, split string) bool { return split != "" && s != isEnded }},
	{"broken", "Broken", func(s standing, _ string) bool { return s == isBroken }},
	{"blocked", "Blocked", func(s standing, _ string) bool { return s == isBlocked }},
	{"unknown", "Unknown", func(s standing, _ string) bool { return s == isUnknown }},
	{"ready", "Ready to merge", func(s standing, _ string) bool { return s == isReady }},
	{"waiting", "Waiting", func(s standing, _ string) bool { return s == isWaiting }},
	{"landed", "Landed", func(s standing, _ string) bool { return s == isLanded }},
	{"ended", "Ended", func(s standing, _ string) bool { return s == isEnded }},
}

// maxDots bounds the members that a row of the list shows.
const maxDots = 12

// entry is a coupling of the list.
type entry struct {
	c     *reconcile.Coupled
	title string // as it is sorted by
	stand standing
	split string // the release that would split it; "" for none
}

// urgent orders entries: what the next cut splits comes first.
func urgent(a, b entry) int {
	whole := func(e entry) int {
		if e.split != "" {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(whole(a), whole(b)), cmp.Compare(a.stand.rank(), b.stand.rank()),
		strings.Compare(a.title, b.title), strings.Compare(string(a.c.Coupling.Home), string(b.c.Coupling.Home)), strings.Compare(a.c.Coupling.Name, b.c.Coupling.Name))
}

// list shows all couplings.
func (d *Dashboard) list(r *http.Request, v viewer) (page, error) {
	all, err := d.o.Source.Couplings(r.Context())
	if err != nil {
		return page{}, err
	}
	f := filterOf(r.URL.Query())
	worst := levelsOf(all)
	var out listPage
	var listed []entry // by all filters but the state
	repos := map[coupling.Repo]bool{}
	for i := range all {
		c := &all[i]
		if !v.sees(c.Coupling.Home) {
			continue
		}
		out.Any = true
		repos[c.Coupling.Home] = true
		if f.Repo != "" && !c.Coupling.Home.Same(coupling.Repo(f.Repo)) || !matches(c, v, f.Text) {
			continue
		}
		e := entry{c, strings.ToLower(c.Coupling.Heading()), standingOf(c.Judgement, worst), drift.Split(c.Judgement)}
		if e.stand == isEnded {
			e.split = ""
		}
		listed = append(listed, e)
	}
	slices.SortFunc(listed, urgent)
	out.Repos = slices.Sorted(maps.Keys(repos))
	d.tabbed(&out, &f, listed, v, worst)
	d.nextCuts(&out, listed)
	if f.Repo != "" || f.Text != "" || f.State != "" {
		out.Clear = d.base + "/"
	}
	out.Filter = f
	return page{Template: "list", Title: "Couplings", Nav: "couplings", Live: true, Data: out}, nil
}

// filterOf reads the filters of an address.
func filterOf(q url.Values) filter {
	f := filter{State: q.Get("state"), Repo: q.Get("repo"), Text: strings.TrimSpace(q.Get("q"))}
	f.Page, _ = strconv.Atoi(q.Get("page"))
	f.Page = max(1, f.Page)
	if !slices.ContainsFunc(tabs, func(t tabOf) bool { return t.key == f.State }) {
		f.State = ""
	}
	return f
}

// tabbed fills in the tabs, and one page of the rows of the tab that is open.
func (d *Dashboard) tabbed(out *listPage, f *filter, listed []entry, v viewer, worst levels) {
	var shown []entry
	counts := make([]int, len(tabs))
	for _, e := range listed {
		for i, t := range tabs {
			if t.in(e.stand, e.split) {
				counts[i]++
				if t.key == f.State {
					shown = append(shown, e)
				}
			}
		}
	}
	out.Total = len(shown)
	last := max(1, (len(shown)+pageSize-1)/pageSize)
	f.Page = min(f.Page, last)
	for _, e := range shown[(f.Page-1)*pageSize : min(f.Page*pageSize, len(shown))] {
		out.Rows = append(out.Rows, d.row(e.c, e.stand, e.split, v, worst))
	}
	if f.Page > 1 {
		out.Prev = f.href(d.base, func(f *filter) { f.Page-- })
	}
	if f.Page < last {
		out.Next = f.href(d.base, func(f *filter) { f.Page++ })
	}
	for i, t := range tabs {
		if counts[i] == 0 && t.key != f.State && t.key != "" {
			continue // calm: what there is none of is not offered
		}
		out.Tabs = append(out.Tabs, tab{t.name, f.href(d.base, func(f *filter) { f.State, f.Page = t.key, 1 }), counts[i], t.key == f.State, cmp.Or(t.key, "open")})
	}
}

// nextCuts fills in what the next cut of each release would split, and the releases that split nothing.
func (d *Dashboard) nextCuts(out *listPage, listed []entry) {
	type release struct {
		home    coupling.Repo
		version string
	}
	cuts := map[release][]row{}
	for _, e := range listed {
		at := release{e.c.Coupling.Home, cmp.Or(e.split, e.c.Train)}
		if at.version == "" || e.stand == isEnded {
			continue
		}
		rows := cuts[at]
		if e.split != "" {
			rows = append(rows, row{Title: e.c.Coupling.Heading(), Href: d.couplingHref(e.c.Coupling)})
		}
		cuts[at] = rows
	}
	for at, rows := range cuts {
		c := cut{Release: at.version, Repo: at.home, Rows: rows}
		if len(rows) > 0 {
			out.Cuts = append(out.Cuts, c)
		} else {
			out.Trains = append(out.Trains, c)
		}
	}
	by := func(a, b cut) int {
		return cmp.Or(cmp.Compare(len(b.Rows), len(a.Rows)), strings.Compare(string(a.Repo), string(b.Repo)), strings.Compare(a.Release, b.Release))
	}
	slices.SortFunc(out.Cuts, by)
	slices.SortFunc(out.Trains, by)
	const mostCuts = 6
	out.MoreCuts = max(0, len(out.Cuts)-mostCuts)
	out.Cuts = out.Cuts[:min(len(out.Cuts), mostCuts)]
	out.Trains = out.Trains[:min(len(out.Trains), mostCuts)]
}

// matches reports whether all words of a text are found in what the viewer may see of a coupling.
func matches(c *reconcile.Coupled, v viewer, text string) bool {
	if text == "" {
		return true
	}
	var b strings.Builder
	b.WriteString(c.Coupling.Title + "\n" + string(c.Coupling.Key()) + "\n" + string(c.State))
	for _, m := range c.Members {
		if v.sees(m.Pull.Repo) {
			b.WriteString("\n" + m.Role + "\n" + m.Pull.String() + "\n" + m.Title + "\n" + m.Author)
		}
	}
	for _, g := range c.Gates {
		b.WriteString("\n" + g.ID + "\n" + g.Title)
	}
	where := strings.ToLower(b.String())
	for _, word := range strings.Fields(strings.ToLower(text)) {
		if !strings.Contains(where, word) {
			return false
		}
	}
	return true
}

func (d *Dashboard) couplingHref(c coupling.Coupling) string {
	return d.base + "/couplings/" + string(c.Home) + "/" + url.PathEscape(c.Name)
}

func (d *Dashboard) row(c *reconcile.Coupled, stand standing, split string, v viewer, worst levels) row {
	reader := note.NewReader(c.Coupling.Home, v.sees, c.Judgement)
	out := row{
		Standing: stand, Title: c.Coupling.Heading(), Href: d.couplingHref(c.Coupling), Name: c.Coupling.Name, Repo: c.Coupling.Home,
		Split: split, Ships: ships(c.Judgement, reader),
	}
	if out.Next, out.By = reader.Next(c.Judgement); out.Next == "" {
		out.Next = reader.State(c.Judgement)
	}
	for _, m := range c.Members[:min(len(c.Members), maxDots)] {
		out.Dots = append(out.Dots, dotOf(m, reader, worst))
	}
	out.More = len(c.Members) - len(out.Dots)
	return out
}

// look is the class and the words for a member.
func look(m rules.MemberState, worst levels) (class, words string) {
	switch {
	case m.State == "draft" && worst.of(m) == rules.Pass:
		return "draft", "draft"
	case isOpen(m):
		return string(worst.of(m)), levelWords[worst.of(m)]
	case m.State == "merged":
		return "merged", "merged"
	case m.State == "unreadable":
		return "unknown", m.State
	}
	return "gone", m.State
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

var levelWords = map[rules.Level]string{rules.Pass: "passed", rules.Wait: "waiting", rules.Block: "blocked", rules.Unknown: "unknown"}

func dotOf(m rules.MemberState, reader note.Reader, worst levels) dot {
	class, words := look(m, worst)
	if reader.Hidden(m.Pull) {
		return dot{class, reader.Pull(m.Pull) + ": " + words}
	}
	return dot{class, reader.Role(m.Role) + " " + reader.Pull(m.Pull) + ": " + words}
}

// ships is the release in which the members that a viewer may see ship; "" where they differ or nobody knows.
func ships(j rules.Judgement, reader note.Reader) string {
	out := ""
	for _, m := range j.Members {
		if m.SafeAlone || m.ShipsIn == "" || reader.Hidden(m.Pull) {
			continue
		}
		if out != "" && out != m.ShipsIn {
			return "several"
		}
		out = m.ShipsIn
	}
	return out
}

// others finds what further couplings say of the members of one.
func (d *Dashboard) others(ctx context.Context, c reconcile.Coupled) (map[coupling.Pull][]reconcile.Coupled, levels, error) {
	out, worst := map[coupling.Pull][]reconcile.Coupled{}, levels{}
	for _, m := range c.Members {
		if !isOpen(m) {
			continue
		}
		worst.add(m.Pull, m.Verdict.Level)
		more, err := d.o.Source.Others(ctx, m.Pull, c.Coupling.Key())
		if err != nil {
			return nil, nil, err
		}
		for _, o := range more {
			if om, ok := o.Member(m.Pull); ok {
				worst.add(m.Pull, om.Verdict.Level)
				out[m.Pull] = append(out[m.Pull], o)
			}
		}
	}
	return out, worst, nil
}
