#include "server/http/metrics_text.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <vector>

namespace ncscope::server {
namespace {

class MetricList {
 public:
  void counter(const char* name, const char* help, double value) {
    add(name, help, prometheus::MetricType::Counter).counter.value = value;
  }
  void gauge(const char* name, const char* help, double value) {
    add(name, help, prometheus::MetricType::Gauge).gauge.value = value;
  }
  void build_info(const DeviceInfo& device) {
    auto& metric =
        add("ncscope_build_info", "Version and device, always 1.", prometheus::MetricType::Gauge);
    metric.gauge.value = 1;
    metric.label = {{"version", NCSCOPE_VERSION},
                    {"backend", device.backend},
                    {"device", device.name},
                    {"math", device.math}};
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  prometheus::ClientMetric& add(const char* name, const char* help, prometheus::MetricType type) {
    families_.push_back({name, help, type, {prometheus::ClientMetric{}}});
    return families_.back().metric.front();
  }
  std::vector<prometheus::MetricFamily> families_;
};

double number(uint64_t value) { return static_cast<double>(value); }

}  // namespace

std::string metrics_text(Engine& engine) {
  const Services& services = engine.services();
  const Counters& counters = services.counters;
  MetricList list;
  list.build_info(services.devices.info());
  list.counter("ncscope_batches_total", "Batches applied.", number(counters.batches));
  list.counter("ncscope_duplicate_batches_total", "Batches received again and not applied.",
               number(counters.duplicate_batches));
  list.counter("ncscope_samples_total", "Samples applied.", number(counters.samples));
  list.counter("ncscope_sample_bytes_total", "Bytes of the batches applied.",
               number(counters.sample_bytes));
  list.counter("ncscope_received_bytes_total", "Bytes of messages of streams.",
               number(counters.receive.bytes));
  list.counter("ncscope_accepted_connections_total", "Connections for gRPC accepted.",
               number(counters.connections.accepted));
  list.counter("ncscope_refused_connections_total",
               "Connections for gRPC refused, since there were too many.",
               number(counters.connections.refused));
  list.counter("ncscope_reports_total", "Reports computed.", number(counters.reports));
  list.counter("ncscope_report_failures_total", "Reports that could not be computed.",
               number(counters.report_failures));
  list.counter("ncscope_report_seconds_total", "Time spent on the reports computed.",
               number(counters.report_microseconds) / 1e6);
  list.counter("ncscope_taken_over_streams_total", "Streams replaced by a newer one of their rank.",
               number(counters.taken_over_streams));
  list.gauge("ncscope_open_series", "Series that are being streamed.",
             number(engine.registry().size()));
  list.gauge("ncscope_held_series",
             "Of those, complete ones that wait for the train split, or for another try.",
             number(engine.held()));
  uint32_t lost = 0;
  for (const auto& [run, open] : engine.registry().open_runs()) lost += open.lost;
  list.gauge("ncscope_lost_series",
             "Of those, ones with a rank that has not closed and was not heard of for the lease.",
             lost);
  list.gauge("ncscope_active_streams", "Streams and states that are being received.",
             number(engine.active()));
  list.gauge("ncscope_connections", "Connections for gRPC.", number(counters.connections.open));
  list.gauge("ncscope_waiting_streams",
             "Of those, streams whose next message waits for room in receive memory.",
             number(counters.receive.waiting_streams));
  list.gauge("ncscope_receive_memory_bytes", "Messages that wait to be applied.",
             number(counters.receive.memory_bytes));
  list.gauge("ncscope_receive_memory_limit_bytes", "Bound of that.",
             number(counters.receive.memory_limit_bytes));
  list.gauge("ncscope_state_memory_bytes",
             "Budget in use by classifiers, states and, on cpu, accumulators.",
             number(services.memory.used()));
  list.gauge("ncscope_state_memory_limit_bytes", "That budget.", number(services.memory.limit()));
  list.gauge("ncscope_device_memory_bytes", "Memory of the card in use by accumulators.",
             number(services.device_memory.used()));
  list.gauge("ncscope_device_memory_limit_bytes",
             "Budget of that, half of what the card offers; 0 on cpu.",
             number(services.device_memory.limit()));
  list.gauge("ncscope_sample_memory_bytes", "Retained samples in memory.",
             number(services.samples.memory_used()));
  list.gauge("ncscope_sample_spool_bytes", "Retained samples in spool files.",
             number(services.samples.spool_used()));
  list.counter("ncscope_replayed_batches_total", "Batches read from logs at the start.",
               number(counters.replayed_batches));
  list.counter("ncscope_damaged_logs_total", "Logs that could only be read in part at the start.",
               number(counters.damaged_logs));
  list.gauge("ncscope_log_bytes", "Logs of unfinished epochs.",
             static_cast<double>(services.logs.bytes()));
  list.gauge("ncscope_log_budget_bytes",
             "What they may take before sums stand in for samples; 0 for no bound.",
             number(services.logs.budget()));
  list.counter("ncscope_log_checkpoints_total",
               "Logs written anew with sums in place of most samples.",
               number(counters.checkpoints));
  list.counter("ncscope_log_checkpoint_failures_total", "Logs of which that failed.",
               number(counters.checkpoint_failures));
  list.counter("ncscope_log_failures_total", "Writes and syncs of a log that failed.",
               number(services.logs.failures()));
  list.gauge("ncscope_log_failing",
             "1 while the data folder does not take what is logged: batches are refused.",
             services.logs.failing() ? 1 : 0);
  list.gauge("ncscope_draining", "1 while the server shuts down.", engine.draining() ? 1 : 0);
  return list.text();
}

}  // namespace ncscope::server
