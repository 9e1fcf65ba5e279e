package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// fleetHeader says on every basket which fleet totalled it.
const fleetHeader = "X-Checkout-Fleet"

// maxBody is the largest basket, in bytes.
const maxBody = 64 << 10

// prices are in cents.
var prices = map[string]int64{"tea": 450, "cup": 1200, "pot": 3900, "spoon": 250}

type service struct {
	build    build
	trouble  *trouble
	metrics  *metrics
	capacity *rate.Limiter // nil: not limited
	orders   *orders       // nil: there is no database
	serving  atomic.Bool
}

type item struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

type basket struct {
	Items []item `json:"items"`
	Name  string `json:"name"` // of the customer; without one nothing is ordered
}

type receipt struct {
	TotalCents int64  `json:"totalCents"`
	Items      int64  `json:"items"`
	Version    string `json:"version"`
	Instance   string `json:"instance"`
	Greeting   string `json:"greeting,omitempty"`
	Order      *order `json:"order,omitempty"`
}

func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, s.build)
	})
	checkout := s.metrics.measure(s.checkout)
	mux.Handle("GET /checkout", checkout)
	mux.Handle("POST /checkout", checkout)
	mux.Handle("GET /metrics", s.metrics.handler)
	return mux
}

func (s *service) health(w http.ResponseWriter, _ *http.Request) {
	if !s.serving.Load() {
		answer(w, http.StatusServiceUnavailable, map[string]string{"status": "draining"})
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ok", "version": s.build.Version})
}

func (s *service) checkout(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(fleetHeader, s.build.fleet)
	if s.capacity != nil && !s.capacity.Allow() {
		problem(w, http.StatusServiceUnavailable, "this instance has more to do than it is good for")
		return
	}
	if s.trouble.fails(r, time.Now()) {
		w.Header().Set("X-Injected-Fault", "error-rate") // so that who measures can tell it from a real failure
		problem(w, http.StatusInternalServerError, "the price service does not answer")
		return
	}
	b, err := readBasket(w, r)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	total, count, err := b.total()
	if err != nil {
		problem(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	out := receipt{TotalCents: total, Items: count, Version: s.build.Version, Instance: s.build.Instance, Greeting: s.build.Greeting}
	if s.orders != nil && b.Name != "" {
		placed, err := s.orders.place(r.Context(), b.Name, total)
		if err != nil {
			problem(w, http.StatusInternalServerError, err.Error())
			return
		}
		out.Order = &placed
	}
	answer(w, http.StatusOK, out)
}

// readBasket takes the body of a POST and the parameters of a GET: name, and items like "tea:2".
func readBasket(w http.ResponseWriter, r *http.Request) (basket, error) {
	var b basket
	if r.Method == http.MethodPost {
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		d.DisallowUnknownFields()
		if err := d.Decode(&b); err != nil {
			return b, fmt.Errorf("the basket is not understood: %w", err)
		}
		return b, nil
	}
	b.Name = r.URL.Query().Get("name")
	for _, v := range r.URL.Query()["item"] {
		sku, number, found := strings.Cut(v, ":")
		quantity := int64(1)
		if found {
			n, err := strconv.ParseInt(number, 10, 64)
			if err != nil {
				return b, fmt.Errorf("item %q is not like tea:2", v)
			}
			quantity = n
		}
		b.Items = append(b.Items, item{SKU: sku, Quantity: quantity})
	}
	return b, nil
}

func (b basket) total() (cents, count int64, err error) {
	for _, i := range b.Items {
		price, known := prices[i.SKU]
		if !known {
			return 0, 0, fmt.Errorf("there is no item %q", i.SKU)
		}
		if i.Quantity < 1 || i.Quantity > 1000 {
			return 0, 0, fmt.Errorf("quantity %d of %s is not between 1 and 1000", i.Quantity, i.SKU)
		}
		cents += price * i.Quantity
		count += i.Quantity
	}
	return cents, count, nil
}

func answer(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(raw, '\n'))
}

func problem(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]string{"error": text})
}
