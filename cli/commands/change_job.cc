#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/commands/print.h"
#include "cli/format/escape.h"
#include "cli/format/names.h"
#include "cli/format/stage_numbers.h"

namespace paci::cli {
namespace {

// "job tiny-1 is Pausing: the pipeline drains to the end of update 12"
std::string NowIs(const v1::Job& job) {
  return absl::StrCat("job ", EscapeLine(job.id()), " is ", StateName(job.state()),
                      WillPause(job) ? ", and pauses when it runs" : "",
                      job.reason().empty() ? "" : ": ", EscapeLine(job.reason()), "\n");
}

// A verb that asks for a change of one job's state and prints the job that comes back.
template <typename Request>
Verb ChangeVerb(const std::string& name, const std::string& summary, const std::string& description,
                Client::Method<Jobs, Request, v1::Job> method) {
  const auto job_id = std::make_shared<std::string>();
  const auto run = [job_id, method](const Context& context) -> absl::Status {
    absl::StatusOr<Client> client = Client::Create(context.globals);
    if (!client.ok()) return client.status();
    Request request;
    request.set_job_id(*job_id);
    const auto job = client->Call(method, request);
    if (!job.ok()) return job.status();
    return Print(context, *job, [&] { return NowIs(*job); });
  };
  return {.name = name,
          .summary = summary,
          .description = description,
          .example = absl::StrCat("pacictl ", name, " tiny-1"),
          .arguments = {JobArgument(job_id.get())},
          .run = run};
}

struct RescaleArguments {
  std::string job_id;
  std::string stages;  // as it was written; empty: not given
  bool to_default = false;
};

absl::StatusOr<v1::RescaleJobRequest> RequestOf(const RescaleArguments& arguments) {
  v1::RescaleJobRequest request;
  request.set_job_id(arguments.job_id);
  if (arguments.stages.empty() != arguments.to_default) {
    return absl::InvalidArgumentError("expected either --stages N or --default");
  }
  if (arguments.to_default) return request;
  uint32_t stages = 0;
  if (!absl::SimpleAtoi(arguments.stages, &stages) || stages == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--stages: \"", arguments.stages, "\" is not right; expected a whole number above 0"));
  }
  request.set_stages(stages);
  return request;
}

absl::Status Rescale(const Context& context, const RescaleArguments& arguments) {
  const absl::StatusOr<v1::RescaleJobRequest> request = RequestOf(arguments);
  if (!request.ok()) return request.status();
  absl::StatusOr<Client> client = Client::Create(context.globals);
  if (!client.ok()) return client.status();
  const auto job = client->Call(&Jobs::RescaleJob, *request);
  if (!job.ok()) return job.status();
  return Print(context, *job, [&] {
    const uint32_t wanted = WantedStages(*job);
    return absl::StrCat(wanted, wanted == 1 ? " stage is" : " stages are", " wanted; ",
                        NowIs(*job));
  });
}

absl::Status Delete(const Context& context, const std::string& job_id) {
  absl::StatusOr<Client> client = Client::Create(context.globals);
  if (!client.ok()) return client.status();
  v1::DeleteJobRequest request;
  request.set_job_id(job_id);
  const auto deleted = client->Call(&Jobs::DeleteJob, request);
  if (!deleted.ok()) return deleted.status();
  return Print(context, *deleted,
               [&] { return absl::StrCat("job ", EscapeLine(job_id), " is deleted\n"); });
}

}  // namespace

Verb CancelVerb() {
  return ChangeVerb<v1::CancelJobRequest>("cancel", "Stop a job for good",
                                          "Its workers are freed; checkpoints that are complete "
                                          "stay.",
                                          &Jobs::CancelJob);
}

Verb PauseVerb() {
  return ChangeVerb<v1::PauseJobRequest>(
      "pause", "Let a running job's pipeline drain, and hold it there",
      "The job keeps its workers. It is Pausing until every stage has finished the same update. "
      "One "
      "that is Recovering, or prepared to run again, pauses as soon as it runs.",
      &Jobs::PauseJob);
}

Verb ResumeVerb() {
  return ChangeVerb<v1::ResumeJobRequest>("resume", "Let a paused job go on",
                                          "So does a job whose pause is still to come.",
                                          &Jobs::ResumeJob);
}

Verb RescaleVerb() {
  const auto arguments = std::make_shared<RescaleArguments>();
  return {
      .name = "rescale",
      .summary = "Let a job go on over more or fewer stages",
      .description =
          "A running job stops when its next checkpoint is complete and goes on from it over so "
          "many stages, if there are as many workers; until then it runs as it does. A job "
          "that waits for workers waits for so many. With a flush schedule and without "
          "clipping the losses stay the same bits.",
      .example =
          "pacictl rescale tiny-1 --stages 3\n"
          "pacictl rescale tiny-1 --default",
      .arguments = {JobArgument(&arguments->job_id),
                    {.name = "--stages",
                     .placeholder = "N",
                     .help = "So many, at most the units of the model: layers + 2",
                     .target = &arguments->stages,
                     .rejects_empty = true},
                    {.name = "--default",
                     .help = "As many as its job file says, again",
                     .target = &arguments->to_default}},
      .run = [arguments](const Context& context) { return Rescale(context, *arguments); }};
}

Verb DeleteVerb() {
  const auto job_id = std::make_shared<std::string>();
  return {.name = "delete",
          .summary = "Forget a job that has ended",
          .description = "Its events and metrics go; its checkpoints stay.",
          .example = "pacictl delete tiny-1",
          .arguments = {JobArgument(job_id.get())},
          .run = [job_id](const Context& context) { return Delete(context, *job_id); }};
}

}  // namespace paci::cli
