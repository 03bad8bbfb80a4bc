package ghapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/relbot/relbot/internal/budget"
	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
)

// queryError is one entry of a GraphQL answer's errors.
type queryError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Path    []any  `json:"path"` // to the null that is in the data for it
	file    bool   // about nothing but what is at a path of a commit
}

// answer is what a query gave, alias by alias.
type answer struct {
	Data   map[string]json.RawMessage `json:"data"`
	Errors []queryError               `json:"errors"`
}

// at returns the error about an alias (the first path elements), or nil.
func (a answer) at(path ...string) *queryError {
	for i := range a.Errors {
		if e := &a.Errors[i]; len(e.Path) >= 1 && len(e.Path) >= len(path) {
			same := true
			for k, p := range path {
				same = same && fmt.Sprint(e.Path[k]) == p
			}
			if same {
				return e
			}
		}
	}
	return nil
}

// settle has the paths of errors end at the nulls that GitHub left for them, which may be further up than what failed. It takes these nulls
// out of objects, so that nobody reads them as "there is none".
func (a *answer) settle() error {
	for i := range a.Errors {
		e := &a.Errors[i]
		if len(e.Path) < 2 {
			continue
		}
		var whole any
		alias := fmt.Sprint(e.Path[0])
		d := json.NewDecoder(bytes.NewReader(a.Data[alias]))
		d.UseNumber()
		if err := d.Decode(&whole); err != nil {
			return err
		}
		at := whole
		for k, step := range e.Path[1:] {
			if at == nil {
				e.Path = e.Path[:k+1]
				break
			}
			switch name := fmt.Sprint(step); in := at.(type) {
			case map[string]any:
				if at = in[name]; at == nil {
					delete(in, name)
					e.file = fileAlias.MatchString(name)
				}
			case []any:
				n, err := strconv.Atoi(name)
				if err != nil || n < 0 || n >= len(in) {
					return fmt.Errorf("an error about %v, where there is nothing", e.Path)
				}
				at = in[n]
			}
		}
		var err error
		if a.Data[alias], err = json.Marshal(whole); err != nil {
			return err
		}
	}
	return nil
}

// lacks returns the first error about something at or below a place of the answer, or nil. What is at a path of a commit does not count:
// it is known or not by itself.
func (a answer) lacks(path ...string) *queryError {
	return answer{Errors: slices.DeleteFunc(slices.Clone(a.Errors), func(e queryError) bool { return e.file })}.at(path...)
}

// whole reports what an answer [answer.lacks] as an error: [forge.ErrGone] when it is the place itself that is not there or not for the App.
func (a answer) whole(path ...string) error {
	switch e := a.lacks(path...); {
	case e == nil:
		return nil
	case len(e.Path) == len(path) && (e.Type == "NOT_FOUND" || e.Type == "FORBIDDEN"):
		return fmt.Errorf("%w: %s", forge.ErrGone, e.Message)
	default:
		return &forge.RetryError{Err: fmt.Errorf("graphql: %v: %s", e.Path, e.Message)}
	}
}

// outOfTime begins what GitHub says of a query, or of a part of it, that took too long most often.
const outOfTime = "Something went wrong while executing your query"

// query sends a GraphQL query as the installation of a repository. Errors about single aliases come back in the answer; the
// error is about the query as a whole.
func (a *App) query(ctx context.Context, repo coupling.Repo, text string, variables map[string]any) (answer, error) {
	var out answer
	write := strings.HasPrefix(strings.TrimSpace(text), "mutation")
	why := forReading
	if !write {
		ctx = context.WithValue(ctx, queryKey{}, true)
	} else if why = forNotes; strings.Contains(text, "createCheckRun(") {
		why = forChecks
	}
	t, err := a.transport(ctx, repo, why)
	if err != nil {
		return out, err
	}
	body, err := json.Marshal(map[string]any{"query": text, "variables": variables})
	if err != nil {
		return out, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.graphql, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/vnd.github+json")
	client := &http.Client{Transport: t, Timeout: requestTimeout}
	res, err := client.Do(req)
	if err != nil {
		if !write && tooLong(0, err) {
			err = fmt.Errorf("%w: %w", errTooMuch, err)
		}
		return out, fmt.Errorf("graphql: %w", a.translate(write, nil, err))
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		a.budget.Failed(t.installation, write, budget.Usual, "", a.s.Now())
		return out, fmt.Errorf("graphql: %w", a.classify(0, nil, write, err))
	}
	if !write && tooLong(res.StatusCode, nil) {
		return out, fmt.Errorf("graphql: %w", &forge.RetryError{Err: fmt.Errorf("%w: %s", errTooMuch, res.Status)})
	}
	if res.StatusCode != http.StatusOK {
		err := a.classify(res.StatusCode, res.Header, write, errors.New(res.Status))
		if errors.Is(err, forge.ErrGone) {
			err = a.refusedBy(repo, "POST /graphql", res.StatusCode, messageIn(raw), write)
		}
		return out, fmt.Errorf("graphql: %w", err)
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		a.budget.Failed(t.installation, write, budget.Usual, "", a.s.Now())
		return out, fmt.Errorf("graphql: %w", a.classify(0, nil, write, err))
	}
	for _, e := range out.Errors {
		if e.Type == "RATE_LIMITED" || (len(e.Path) == 0 || len(out.Data) == 0) && strings.Contains(strings.ToLower(e.Message), "rate limit") {
			return out, fmt.Errorf("graphql: %w", t.refused(write, res.Header, e.Message))
		}
	}
	a.budget.Answered(t.installation, write, a.s.Now())
	for _, e := range out.Errors {
		switch e.Type {
		case "RESOURCE_LIMITS_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED":
			return out, fmt.Errorf("graphql: %w", &forge.RetryError{Err: fmt.Errorf("%w: %s", errTooMuch, e.Message)})
		}
		if isDivisible(ctx) && strings.HasPrefix(e.Message, outOfTime) {
			return out, fmt.Errorf("graphql: %w", &forge.RetryError{Err: fmt.Errorf("%w: %s", errTooMuch, e.Message)})
		}
		if len(e.Path) == 0 || len(out.Data) == 0 {
			switch {
			case strings.HasPrefix(e.Message, outOfTime):
				return out, fmt.Errorf("graphql: %w", &forge.RetryError{Err: fmt.Errorf("%w: %s", errTooMuch, e.Message)})
			case len(out.Data) == 0:
				return out, fmt.Errorf("graphql: %w: %s", forge.ErrRejected, e.Message)
			case !write: // nobody knows what is missing
				return out, fmt.Errorf("graphql: %w", &forge.RetryError{Err: errors.New(e.Message)})
			}
		}
	}
	if err := out.settle(); err != nil {
		return out, fmt.Errorf("graphql: %w", a.classify(0, nil, write, err))
	}
	return out, nil
}

// variables collects a query's variables and their declarations.
type variables struct {
	values map[string]any
	names  []string
}

func (v *variables) add(kind string, value any) string {
	if v.values == nil {
		v.values = map[string]any{}
	}
	name := fmt.Sprintf("v%d", len(v.names))
	v.values[name] = value
	v.names = append(v.names, "$"+name+": "+kind)
	return "$" + name
}

func (v *variables) text(s string) string { return v.add("String!", s) }

// declare is the head of a query with these variables.
func (v *variables) declare() string {
	if len(v.names) == 0 {
		return "query"
	}
	return "query(" + strings.Join(v.names, ", ") + ")"
}

// repositoryOf opens a selection on a repository.
func (v *variables) repositoryOf(alias string, repo coupling.Repo) string {
	return fmt.Sprintf("%s: repository(owner: %s, name: %s, followRenames: true)", alias, v.text(repo.Owner()), v.text(repo.Name()))
}
