#include "cli/format/plan_text.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/format/text_table.h"
#include "cli/format/units.h"
#include "common/schedule/accumulation.h"
#include "nlohmann/json.hpp"

namespace paci::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string Percent(double share) { return absl::StrFormat("%.1f%%", share * 100); }

std::string Table(const Plan& plan, bool shows_fit) {
  constexpr auto kLeft = TextTable::Align::kLeft;
  constexpr auto kRight = TextTable::Align::kRight;
  std::vector<TextTable::Column> columns = {
      {"", kLeft},          {"SCHEDULE", kLeft},  {"STAGES", kRight},  {"ACCUMULATION", kRight},
      {"TOKENS/S", kRight}, {"OF LIMIT", kRight}, {"BUBBLES", kRight}, {"LAG MEAN", kRight},
      {"LAG MAX", kRight},  {"MEMORY", kRight}};
  if (shows_fit) columns.push_back({"FITS", kLeft});
  TextTable table(columns);
  for (size_t i = 0; i < plan.choices.size(); ++i) {
    const PlanChoice& choice = plan.choices[i];
    table.Add({plan.recommended == i ? "*" : "", choice.key.schedule,
               absl::StrCat(choice.key.stages), absl::StrCat(choice.key.accumulation),
               CountText(choice.tokens_per_second), Percent(choice.share_of_limit),
               Percent(choice.bubble_share), absl::StrFormat("%.2f", choice.lag_mean),
               absl::StrCat(choice.lag_max), BytesText(choice.memory.TotalBytes()),
               choice.fits ? "yes" : "no"});
  }
  return table.Render();
}

Json KeyJson(const PlanKey& key) {
  return {{"schedule", key.schedule}, {"stages", key.stages}, {"accumulation", key.accumulation}};
}

Json ChoiceJson(const PlanChoice& choice) {
  Json json = KeyJson(choice.key);
  json["tokens_per_second"] = choice.tokens_per_second;
  json["share_of_limit"] = choice.share_of_limit;
  json["bubble_share"] = choice.bubble_share;
  json["lag_mean"] = choice.lag_mean;
  json["lag_max"] = choice.lag_max;
  json["fits"] = choice.fits;
  json["memory"] = {{"stage", choice.memory_stage},
                    {"total_bytes", choice.memory.TotalBytes()},
                    {"weights_bytes", choice.memory.weights_bytes},
                    {"gradients_bytes", choice.memory.gradients_bytes},
                    {"optimizer_bytes", choice.memory.optimizer_bytes},
                    {"copies_bytes", choice.memory.copies_bytes},
                    {"activations_bytes", choice.memory.activations_bytes},
                    {"working_bytes", choice.memory.working_bytes}};
  return json;
}

std::string AccumulationLine(const PlanChoice& choice) {
  return absl::StrCat("\naccumulation ", choice.key.accumulation, ": ",
                      AccumulationReason(choice.config));
}

}  // namespace

std::string PlanText(const Plan& plan, const PlanRequest& request) {
  std::string text = Table(plan, request.device_memory_bytes.has_value());
  absl::StrAppend(&text, "\n",
                  plan.recommended ? "recommended: " : "nothing recommended: ", plan.reason,
                  plan.recommended ? AccumulationLine(plan.choices[*plan.recommended]) : "",
                  "\ncosts: ", plan.costs, "\n");
  for (const SkippedChoice& skipped : plan.skipped) {
    absl::StrAppend(&text, "skipped: ", ToString(skipped.key), ": ", skipped.reason, "\n");
  }
  return text;
}

std::string PlanJson(const Plan& plan, const PlanRequest& request) {
  Json json;
  json["costs"] = plan.costs;
  json["link_latency_seconds"] = request.link.latency_seconds;
  if (std::isfinite(request.link.bytes_per_second)) {
    json["link_bytes_per_second"] = request.link.bytes_per_second;
  }
  if (request.jitter.kind != Jitter::Kind::kNone) {
    json["jitter"] = request.jitter.relative_deviation;
  }
  for (const auto& [stage, slowdown] : request.slowdowns) {
    json["stragglers"].push_back({{"stage", stage}, {"factor", slowdown}});
  }
  if (request.device_memory_bytes) json["device_memory_bytes"] = *request.device_memory_bytes;
  json["recommended"] = plan.recommended ? KeyJson(plan.choices[*plan.recommended].key) : Json();
  json["reason"] = plan.reason;
  if (plan.recommended) {
    json["accumulation_reason"] = AccumulationReason(plan.choices[*plan.recommended].config);
  }
  json["choices"] = Json::array();
  for (const PlanChoice& choice : plan.choices) json["choices"].push_back(ChoiceJson(choice));
  json["skipped"] = Json::array();
  for (const SkippedChoice& skipped : plan.skipped) {
    Json entry = KeyJson(skipped.key);
    entry["reason"] = skipped.reason;
    json["skipped"].push_back(std::move(entry));
  }
  return json.dump();
}

}  // namespace paci::cli
