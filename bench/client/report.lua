-- One line that bench/run reads: wrk's own table lacks p99.9 and rounds its figures.
function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        "BENCH requests=%d microseconds=%d p50=%d p99=%d p999=%d refused=%d broken=%d\n",
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        latency:percentile(99.9), errors.status,
        errors.connect + errors.read + errors.write + errors.timeout))
end
