#include "cli/commands/measured_plan.h"

#include "cli/client.h"
#include "common/simulator/measured_costs.h"

namespace paci::cli {
namespace {

absl::StatusOr<v1::JobSpec> SpecToPlan(const v1::Job& job, const SpecSource& source) {
  if (source.file.empty()) return SpecAsRun(job);
  absl::StatusOr<v1::JobSpec> spec = LoadSpec(source);
  if (!spec.ok()) return spec.status();
  const absl::Status same = CheckSameWork(job, *spec);
  if (!same.ok()) return same;
  return spec;
}

}  // namespace

absl::StatusOr<v1::JobSpec> TakeMeasuredCosts(const Context& context, const std::string& job_id,
                                              const SpecSource& source, PlanRequest& request) {
  absl::StatusOr<Client> client = Client::Create(context.globals);
  if (!client.ok()) return client.status();
  const auto job = client->GetJob(job_id);
  if (!job.ok()) return job.status();
  absl::StatusOr<UnitSeconds> measured = SecondsMeasuredBy(*job);
  if (!measured.ok()) return measured.status();
  request.measured = *std::move(measured);
  request.measured_source = SourceOfSeconds(*job);
  return SpecToPlan(*job, source);
}

}  // namespace paci::cli
