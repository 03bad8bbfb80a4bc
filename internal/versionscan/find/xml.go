package find

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// XML.
var _ = register(language{
	suffixes: ".xml",
	lexer:    angles,
	words:    true,
	examples: []example{
		{"xml attribute", "a.xml", "<!-- min=\"9.9\" -->\n<x min=\"1.2.3\"/>\n", Finder{Symbol: "min"}, "", "2:4 min 1.2.3 string"},
	},
})

// xmlValues reads the text of the elements at a path from the root (project.version, or with slashes where names have
// dots), or an attribute (…@name). Namespaces do not count. Maven's ${name} is looked up in the root's properties.
func xmlValues(path, text string) ([]Located, error) {
	var want []string
	var err error
	if strings.Contains(path, "/") {
		want = strings.Split(strings.Trim(path, "/"), "/")
	} else if want, err = splitPath(path); err != nil {
		return nil, err
	}
	l := &lookup{path: path, want: want}
	properties := map[string]Located{}
	var names []string
	type content struct {
		text   strings.Builder
		offset int
		nested bool
	}
	var open []*content
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		start := int(d.InputOffset())
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("no valid XML: %w", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(names) > maxDepth {
				return nil, errDepth
			}
			if len(open) > 0 {
				open[len(open)-1].nested = true
			}
			names = append(names, t.Name.Local)
			open = append(open, &content{offset: -1})
			for _, a := range t.Attr {
				l.meet(append(names[:len(names):len(names)], "@"+a.Name.Local), func() Located { return located(text, a.Value, start) })
			}
		case xml.CharData:
			if len(open) == 0 {
				break
			}
			c := open[len(open)-1]
			if c.offset < 0 && len(bytes.TrimSpace(t)) > 0 {
				raw := text[start:]
				c.offset = start + len(raw) - len(strings.TrimLeft(raw, " \t\r\n"))
			}
			c.text.Write(t)
		case xml.EndElement:
			c := open[len(open)-1]
			if !c.nested || c.offset >= 0 {
				value := located(text, strings.TrimSpace(c.text.String()), max(c.offset, 0))
				l.meet(names, func() Located { return value })
				if len(names) == 3 && names[1] == "properties" {
					properties[names[2]] = value
				}
			}
			if c.nested && len(names) == len(l.want) && c.offset < 0 {
				l.meet(append(names[:len(names):len(names)], ""), nil)
			}
			names, open = names[:len(names)-1], open[:len(open)-1]
		}
	}
	for i := range l.found {
		for range maxDepth {
			name, ok := strings.CutPrefix(l.found[i].Raw, "${")
			value, known := properties[strings.TrimSuffix(name, "}")]
			if !ok || !known {
				break
			}
			l.found[i] = value
		}
	}
	return l.result()
}
