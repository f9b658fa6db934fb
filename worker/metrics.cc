#include "worker/metrics.h"

#include <sys/resource.h>

#include <filesystem>
#include <iterator>

#include "common/rpc/version.h"
#include "common/telemetry/metric_families.h"
#include "common/telemetry/process_memory.h"
#include "common/telemetry/stage_metrics.h"

namespace paci {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

// Under the names that every Prometheus client library gives them.
void AppendProcess(MetricFamilies& families) {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    families.AddCounter({"process_cpu_seconds_total", "User and system time of the process"}, {},
                        Seconds(usage.ru_utime) + Seconds(usage.ru_stime));
  }
  if (const auto memory = ReadProcessMemory(); memory.ok()) {
    families.AddGauge({"process_resident_memory_bytes", "Memory of the process"}, {},
                      static_cast<double>(memory->resident_bytes));
  }
  std::error_code error;
  const std::filesystem::directory_iterator descriptors("/proc/self/fd", error);
  if (!error) {
    const auto count = std::distance(begin(descriptors), end(descriptors));
    families.AddGauge({"process_open_fds", "Open files and sockets of the process"}, {},
                      static_cast<double>(count));
  }
}

}  // namespace

std::vector<prometheus::MetricFamily> WorkerMetrics::Collect() const {
  std::vector<prometheus::MetricFamily> families;
  MetricFamilies adder(families);
  const auto held = held_();
  adder.AddGauge({"paci_worker_info", "Always 1: the worker's version"},
                 {{"version", std::string(kVersion)}}, 1);
  adder.AddGauge({"paci_worker_busy", "1 while the worker holds a stage, else 0"}, {},
                 held ? 1 : 0);
  AppendProcess(adder);
  if (held) AppendStageMetrics(held->first, held->second, families);
  return families;
}

}  // namespace paci
