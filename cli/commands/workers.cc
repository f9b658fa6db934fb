#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/commands/print.h"
#include "cli/format/escape.h"
#include "cli/format/names.h"
#include "cli/format/tables.h"

namespace paci::cli {
namespace {

absl::Status Workers(const Context& context) {
  absl::StatusOr<Client> client = Client::Create(context.globals);
  if (!client.ok()) return client.status();
  const auto workers = client->Call(&Cluster::ListWorkers, v1::ListWorkersRequest());
  if (!workers.ok()) return workers.status();
  return Print(context, *workers, [&]() -> std::string {
    return workers->workers().empty() ? "no workers\n" : WorkerTable(*workers, absl::Now());
  });
}

absl::Status Drain(const Context& context, const std::string& name) {
  absl::StatusOr<Client> client = Client::Create(context.globals);
  if (!client.ok()) return client.status();
  v1::DrainWorkerRequest request;
  request.set_worker(name);
  const auto worker = client->Call(&Cluster::DrainWorker, request);
  if (!worker.ok()) return worker.status();
  return Print(context, *worker, [&] {
    const std::string holds =
        worker->job_id().empty()
            ? ""
            : absl::StrCat(", after stage ", worker->stage(), " of job ", worker->job_id());
    return absl::StrCat("worker ", EscapeLine(worker->name()), " is ", StateName(worker->state()),
                        EscapeLine(holds), "\n");
  });
}

}  // namespace

Verb WorkersVerb() {
  return {.name = "workers",
          .summary = "List the workers, and what they hold",
          .description = "FLOP/S is what a worker measured of itself: a float32 matrix product.",
          .example = "pacictl workers",
          .run = Workers};
}

Verb DrainVerb() {
  const auto name = std::make_shared<std::string>();
  return {.name = "drain",
          .summary = "Give a worker no new stage, and let it leave when it is idle",
          .description =
              "A stage that it holds moves to another worker at the next checkpoint of its job, if "
              "one is free or the job may do with fewer (recovery.min_stages); else it is finished "
              "first.",
          .example = "pacictl drain worker-3",
          .arguments = {{.name = "WORKER", .help = "Name or id", .target = name.get()}},
          .run = [name](const Context& context) { return Drain(context, *name); }};
}

}  // namespace paci::cli
