package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// maxBody is the largest basket, in bytes.
const maxBody = 64 << 10

// prices are in cents.
var prices = map[string]int64{"tea": 450, "cup": 1200, "pot": 3900, "spoon": 250}

type service struct {
	build   build
	faults  faults
	serving *atomic.Bool
	first   atomic.Int64 // Unix nanoseconds of the first user's request; 0 before it
}

type item struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

type basket struct {
	Items []item `json:"items"`
}

type receipt struct {
	TotalCents int64  `json:"totalCents"`
	Items      int64  `json:"items"`
	Version    string `json:"version"`
	Instance   string `json:"instance"`
	Greeting   string `json:"greeting,omitempty"`
}

func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, s.build)
	})
	mux.HandleFunc("GET /checkout", s.checkout)
	mux.HandleFunc("POST /checkout", s.checkout)
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
	if s.broken(r, time.Now()) {
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
	answer(w, http.StatusOK, receipt{
		TotalCents: total, Items: count,
		Version: s.build.Version, Instance: s.build.Instance, Greeting: s.build.Greeting,
	})
}

// probeHeader is on requests that select one fleet at the router, which users don't send.
const probeHeader = "X-Switchyard-Fleet"

// broken says whether this request fails on purpose. Checks by Switchyard through the
// router carry the probe header; they do not start the clock, so that a
// bad version passes verification and goes bad under its users, which is what the
// demonstration is about. Once it is bad, it is bad for everybody.
func (s *service) broken(r *http.Request, now time.Time) bool {
	if s.faults.ErrorRate == 0 {
		return false
	}
	if r.Header.Get(probeHeader) == "" {
		s.first.CompareAndSwap(0, now.UnixNano())
	}
	first := s.first.Load()
	return first != 0 && now.Sub(time.Unix(0, first)) >= s.faults.FailAfter && rand.Float64() < s.faults.ErrorRate
}

// readBasket takes the body of a POST and the item parameters of a GET ("tea:2").
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
