package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/relbot/relbot/internal/scenario"
	"github.com/relbot/relbot/internal/server"
)

// dashboardPath is where a stage shows the dashboard, next to the embedded GitHub.
const dashboardPath = "/relbot"

// stage shows a simulated world at an address: the embedded GitHub's pages, and relbot's dashboard next to them.
type stage struct {
	l      net.Listener
	web    string
	srv    *http.Server
	served chan error
}

// newStage takes an address, and has the links in a scenario's checks lead there.
func newStage(address string, s *scenario.Scenario) (*stage, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	st := &stage{l: l, web: "http://" + l.Addr().String(), served: make(chan error, 1)}
	s.URL = st.web + dashboardPath
	return st, nil
}

// start makes the server that is shown, whose pages are open to everybody.
func (st *stage) start(ctx context.Context, o scenario.StartOptions) (scenario.Server, error) {
	return simulated(ctx, o, server.Options{Public: true, WebURL: st.web})
}

// show begins to serve a world.
func (st *stage) show(out io.Writer, w *scenario.World) {
	mux := http.NewServeMux()
	mux.Handle("/", w.GitHub.Pages())
	mux.Handle(dashboardPath+"/", http.StripPrefix(dashboardPath, w.Server().Handler()))
	st.srv = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { st.served <- st.srv.Serve(st.l) }()
	fmt.Fprintf(out, "The embedded GitHub's pages: %s/\nrelbot's dashboard:          %s%s/\n", st.web, st.web, dashboardPath)
}

// stay keeps the pages open until ctx ends.
func (st *stage) stay(ctx context.Context, out io.Writer) error {
	fmt.Fprintf(out, "\nThe pages stay open at %s/, the dashboard at %s%s/, until you press Ctrl-C.\n", st.web, st.web, dashboardPath)
	select {
	case <-ctx.Done():
		return nil
	case err := <-st.served:
		return unsure(err)
	}
}

func (st *stage) close() {
	if st.srv != nil {
		st.srv.Close()
	}
	st.l.Close()
}
