package main

import (
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/tiercache/tiercache"
)

// stats answers /stats, which the front page reads once a second.
func (s *site) stats(w http.ResponseWriter, _ *http.Request) {
	st := s.docs.engine.Stats()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	err := json.NewEncoder(w).Encode(struct {
		Calls          uint64  `json:"calls"`
		L1Hits         uint64  `json:"l1_hits"`
		L2Hits         uint64  `json:"l2_hits"`
		Computed       uint64  `json:"computed"`
		Stale          uint64  `json:"stale"`
		Failed         uint64  `json:"failed"`
		Computes       uint64  `json:"computes"`
		EarlyRefreshes uint64  `json:"early_refreshes"`
		L1Entries      int64   `json:"l1_entries"`
		L1Bytes        int64   `json:"l1_bytes"`
		SavedPercent   float64 `json:"saved_percent"`
		L2             string  `json:"l2"`
	}{
		Calls: st.Total.Calls(), L1Hits: st.Total.L1Hits, L2Hits: st.Total.L2Hits, Computed: st.Total.Computed,
		Stale: st.Total.Stale, Failed: st.Total.Failed, Computes: st.Total.Computes,
		EarlyRefreshes: st.Total.EarlyRefreshes, L1Entries: st.L1.Entries, L1Bytes: st.L1.Bytes,
		SavedPercent: saved(st.Total), L2: s.l2,
	})
	if err != nil { // no number of Stats is anything JSON has no word for: the client has left
		slog.Debug("answering /stats", "error", err)
	}
}

// saved is how many percent of the bytes on their way to L2 compression took off.
func saved(s tiercache.SpaceStats) float64 {
	if s.RawBytes == 0 {
		return 0
	}
	return 100 * (1 - float64(s.SentBytes)/float64(s.RawBytes))
}
