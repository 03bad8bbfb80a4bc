package main

import (
	"net/url"
	"strings"

	"github.com/relbot/relbot/internal/note"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/scan"
)

// scanRules are the anomalies that a scan alone tells of; the others are reason codes.
var scanRules = map[string]string{
	scan.Removable:       "every supported release is past the gate",
	scan.CommentDistance: "a comment claims a distance between two gates that is not so",
	scan.Unreadable:      "the files that may hold the gate could not be read",
}

// sarif is the answer in SARIF 2.1.0: one result an anomaly. What is in no file, as a gate that is missing, is shown at the policy.
func (a *scanAnswer) sarif() any {
	type object = map[string]any
	results, used := []object{}, []object{}
	seen := map[string]bool{}
	for _, g := range a.Gates {
		location := object{"artifactLocation": object{"uri": policy.Path}}
		if g.Line != nil {
			location = object{"artifactLocation": object{"uri": (&url.URL{Path: deref(g.Path)}).String()}, "region": object{"startLine": *g.Line}}
		}
		for _, o := range g.Anomalies {
			level := "warning"
			if strings.HasPrefix(o.Code, "gate-") && o.Code != string(rules.GateNameMismatch) {
				level = "error"
			}
			if !seen[o.Code] {
				seen[o.Code] = true
				used = append(used, object{"id": o.Code, "shortDescription": object{"text": when(o.Code)}})
			}
			text := o.Message
			if g.ID != nil {
				text = "gate " + *g.ID + ": " + text
			}
			results = append(results, object{"ruleId": o.Code, "level": level, "message": object{"text": text}, "locations": []object{{"physicalLocation": location}}})
		}
	}
	return object{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
		"runs": []object{{"tool": object{"driver": object{"name": "relbot", "version": version, "rules": used}}, "results": results}},
	}
}

// when says when an anomaly is one.
func when(code string) string {
	for _, c := range note.Codes() {
		if string(c.Code) == code {
			return c.When
		}
	}
	return scanRules[code]
}
