#include <algorithm>
#include <memory>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/commands/commands.h"
#include "cli/commands/load_spec.h"
#include "cli/commands/measured_plan.h"
#include "cli/commands/write_file.h"
#include "cli/format/document.h"
#include "cli/format/plan_text.h"
#include "cli/format/units.h"
#include "cli/quantity.h"
#include "cli/watch/redraw.h"
#include "common/config/micro_batch_split.h"
#include "common/schedule/presets.h"
#include "common/simulator/gantt.h"
#include "common/simulator/planner.h"
#include "common/simulator/simulation_trace.h"

namespace paci::cli {
namespace {

// The command line as it was written; empty: not given.
struct PlanArguments {
  SpecSource source;
  std::string stages;
  std::string schedules;
  std::string accumulation;
  std::string device_memory;
  std::string device_flops;
  std::string costs;
  std::string measured_by;
  std::string link_latency;
  std::string link_bandwidth;
  std::string jitter;
  std::string stragglers;
  std::string trace;
  bool gantt = false;
};

// Sets `*target` to what `parse` makes of `text`, if it was given.
template <typename Target, typename Parse, typename... More>
absl::Status Set(Target* target, Parse parse, absl::string_view option, const std::string& text,
                 More... more) {
  if (text.empty()) return absl::OkStatus();
  auto value = parse(option, text, more...);
  if (!value.ok()) return value.status();
  *target = *std::move(value);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ParseSchedules(absl::string_view option,
                                                        absl::string_view text) {
  std::vector<std::string> names;
  for (const absl::string_view name : absl::StrSplit(text, ',')) {
    const absl::Status known = FindPreset(name).status();
    if (!known.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(option, ": ", known.message()));
    }
    if (!absl::c_linear_search(names, name)) names.emplace_back(name);
  }
  return names;
}

absl::StatusOr<Jitter> ParseLognormal(absl::string_view option, absl::string_view text) {
  const absl::StatusOr<double> deviation = ParseJitter(option, text);
  if (!deviation.ok()) return deviation.status();
  return Jitter{.kind = Jitter::Kind::kLognormal, .relative_deviation = *deviation};
}

absl::Status SetRequest(const PlanArguments& arguments, const v1::JobSpec& spec,
                        PlanRequest& request) {
  request.stages = {spec.pipeline().stages()};
  request.accumulations = {spec.pipeline().accumulation()};
  for (const Preset& preset : Presets()) request.schedules.emplace_back(preset.name);
  absl::Status status =
      Set(&request.stages, ParseCounts, "--stages", arguments.stages, "pipeline.stages");
  status.Update(Set(&request.schedules, ParseSchedules, "--schedules", arguments.schedules));
  status.Update(Set(&request.accumulations, ParseCounts, "--accumulation", arguments.accumulation,
                    "pipeline.accumulation"));
  status.Update(
      Set(&request.device_memory_bytes, ParseBytes, "--device-memory", arguments.device_memory));
  status.Update(Set(&request.device_flops, ParseFlops, "--device-flops", arguments.device_flops));
  status.Update(
      Set(&request.link.latency_seconds, ParseLatency, "--link-latency", arguments.link_latency));
  status.Update(Set(&request.link.bytes_per_second, ParseBandwidth, "--link-bandwidth",
                    arguments.link_bandwidth));
  status.Update(Set(&request.jitter, ParseLognormal, "--jitter", arguments.jitter));
  status.Update(Set(&request.slowdowns, ParseStragglers, "--straggler", arguments.stragglers));
  if (!status.ok() || arguments.costs.empty()) return status;
  absl::StatusOr<UnitSeconds> measured = SecondsFromFile(arguments.costs, spec.model());
  if (!measured.ok()) return measured.status();
  request.measured = *std::move(measured);
  return absl::OkStatus();
}

absl::Status CheckArguments(const Context& context, const PlanArguments& arguments) {
  if (arguments.gantt && context.globals.format != Format::kTable) {
    return absl::InvalidArgumentError("--gantt is for -o table");
  }
  if (!arguments.measured_by.empty() && !arguments.costs.empty()) {
    return absl::InvalidArgumentError("--costs and --measured-by: give one of the two");
  }
  if (!arguments.source.file.empty()) return absl::OkStatus();
  if (arguments.measured_by.empty()) {
    return absl::InvalidArgumentError("FILE is required, unless --measured-by names a job");
  }
  if (arguments.source.overrides.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("--set is for a FILE");
}

absl::Status NoChoice(const Plan& plan) {
  std::string text = absl::StrCat("nothing to simulate: ", plan.reason);
  for (const SkippedChoice& skipped : plan.skipped) {
    absl::StrAppend(&text, "\n", ToString(skipped.key), ": ", skipped.reason);
  }
  return absl::FailedPreconditionError(text);
}

absl::Status NothingFits(const PlanArguments& arguments, const Plan& plan) {
  const PlanChoice& least = *std::min_element(
      plan.choices.begin(), plan.choices.end(), [](const PlanChoice& a, const PlanChoice& b) {
        return a.memory.TotalBytes() < b.memory.TotalBytes();
      });
  return absl::FailedPreconditionError(absl::StrCat(
      "no choice fits into --device-memory ", arguments.device_memory, "; the one that needs the ",
      "least is ", ToString(least.key), ", with ", BytesText(least.memory.TotalBytes())));
}

// Of the recommended choice, or the fastest if there is none.
absl::Status Draw(const Context& context, const PlanArguments& arguments, const Plan& plan) {
  const PlanChoice& choice = plan.choices[plan.recommended.value_or(0)];
  const absl::StatusOr<Simulation> run =
      Simulate(choice.config, choice.costs, {.keeps_trace = true});
  if (!run.ok()) return run.status();
  if (!arguments.trace.empty()) {
    const absl::Status written = WriteFile("--trace", arguments.trace, ToChromeTrace(*run));
    if (!written.ok()) return written;
  }
  if (!arguments.gantt) return absl::OkStatus();
  const ScreenSize size = context.streams.out_is_terminal ? TerminalSize() : ScreenSize();
  context.streams.out << "\n"
                      << ToString(choice.key) << ", the first two updates:\n"
                      << Gantt(*run, 2, static_cast<int64_t>(size.columns));
  return absl::OkStatus();
}

absl::Status RunPlan(const Context& context, const PlanArguments& arguments) {
  absl::Status status = CheckArguments(context, arguments);
  if (!status.ok()) return status;
  PlanRequest request;
  const absl::StatusOr<v1::JobSpec> loaded =
      arguments.measured_by.empty()
          ? LoadSpec(arguments.source)
          : TakeMeasuredCosts(context, arguments.measured_by, arguments.source, request);
  if (!loaded.ok()) return loaded.status();
  const v1::JobSpec spec = AsItBegins(*loaded);
  status = SetRequest(arguments, spec, request);
  if (!status.ok()) return status;
  const absl::StatusOr<Plan> plan = MakePlan(spec, request);
  if (!plan.ok()) return plan.status();
  if (plan->choices.empty()) return NoChoice(*plan);
  if (context.globals.format == Format::kTable) {
    context.streams.out << PlanText(*plan, request);
  } else if (context.globals.format == Format::kJson) {
    context.streams.out << IndentJson(PlanJson(*plan, request));
  } else {
    context.streams.out << JsonToYaml(PlanJson(*plan, request));
  }
  if (arguments.gantt || !arguments.trace.empty()) {
    status = Draw(context, arguments, *plan);
    if (!status.ok()) return status;
  }
  return plan->recommended ? absl::OkStatus() : NothingFits(arguments, *plan);
}

Argument Option(std::string name, std::string placeholder, std::string help, std::string* target) {
  return {.name = std::move(name),
          .placeholder = std::move(placeholder),
          .help = std::move(help),
          .target = target,
          .rejects_empty = true};
}

std::vector<Argument> ArgumentsOf(PlanArguments* to) {
  std::vector<Argument> arguments = SpecArguments(&to->source);
  arguments.front().is_optional = true;
  const std::vector<Argument> own = {
      Option("--stages", "N,N", "Numbers of stages to try; else the job's", &to->stages),
      Option("--schedules", "NAME,NAME", "Schedules to try; else all", &to->schedules),
      Option("--accumulation", "A,A", "Micro-batches an update to try; else the job's",
             &to->accumulation),
      Option("--device-memory", "SIZE", "Of a worker, such as 80GiB; else everything fits",
             &to->device_memory),
      Option("--device-flops", "FLOPS", "Of a worker, such as 12.5T; else 10T", &to->device_flops),
      Option("--costs", "FILE", "Measured seconds by unit (JSON), in place of arithmetic",
             &to->costs),
      Option("--measured-by", "JOB", "Takes what the workers of this job measured as costs",
             &to->measured_by),
      Option("--link-latency", "TIME", "Between neighbours, such as 50us; else 0",
             &to->link_latency),
      Option("--link-bandwidth", "RATE", "Of each direction, such as 10Gbit; else unlimited",
             &to->link_bandwidth),
      Option("--jitter", "SHARE",
             "Standard deviation of every duration and latency, of its mean, such as 0.05; else 0",
             &to->jitter),
      Option("--straggler", "STAGE=FACTOR,...",
             "Stages, from 0, that take FACTOR times as long; else none", &to->stragglers),
      Option("--trace", "FILE", "Writes the recommended choice as a Chrome trace", &to->trace),
      {.name = "--gantt",
       .help =
           "Draws two updates of the recommended choice: F, B, W, S (update), . (bubble); small: "
           "of a further chunk",
       .target = &to->gantt}};
  arguments.insert(arguments.end(), own.begin(), own.end());
  return arguments;
}

}  // namespace

Verb PlanVerb() {
  const auto arguments = std::make_shared<PlanArguments>();
  return {
      .name = "plan",
      .summary = "Compare schedules, stages and accumulations for a job by simulation",
      .description =
          "Asks no coordinator, unless --measured-by names a job: then FILE may be left out, and "
          "the job itself is planned. Recommends the fastest choice that fits; of those within 2% "
          "of it the one with the least lag, then the least memory; exits with 1 if none fits. "
          "What "
          "is simulated and what is not: docs/planner.md.",
      .example =
          "pacictl plan job.yaml --stages 2,4,8 --accumulation 8,16 --device-memory "
          "80GiB\n"
          "pacictl plan job.yaml --schedules paci,1f1b --gantt --trace plan.json\n"
          "pacictl plan --measured-by tiny-1 --stages 2,4",
      .arguments = ArgumentsOf(arguments.get()),
      .run = [arguments](const Context& context) { return RunPlan(context, *arguments); }};
}

}  // namespace paci::cli
