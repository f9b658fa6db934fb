#include "coordinator/service/status_page.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "common/rpc/timestamp.h"
#include "common/rpc/version.h"
#include "coordinator/job/job_machine.h"

namespace paci {
namespace {

constexpr uint64_t kCurvePoints = 240;
constexpr double kSparkWidth = 240;
constexpr double kSparkHeight = 48;

constexpr absl::string_view kHead = R"html(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>paci</title><style>
body{font:14px/1.4 system-ui,sans-serif;margin:1.5rem;color:#222;background:#fff}
h1{font-size:1.3rem;margin:0}h2{font-size:1.1rem;margin:1.6rem 0 .3rem}p{margin:.2rem 0}
table{border-collapse:collapse;margin:.5rem 0}th,td{text-align:left;padding:.15rem .8rem .15rem 0;vertical-align:top}
th{font-weight:600;border-bottom:1px solid #bbb}td:first-child{white-space:nowrap}.n{text-align:right;font-variant-numeric:tabular-nums}
.dim{color:#666}.pipe{display:flex;flex-wrap:wrap;gap:.4rem;margin:.5rem 0}
.stage{border:1px solid #999;border-radius:4px;padding:.3rem .5rem;min-width:9rem}
.RUNNING,.FINISHED{border-left:6px solid #2a7d3b}.FAILED,.LOST{border-left:6px solid #b3261e;background:#fdf0ef}
.PREPARING,.READY,.STOPPED{border-left:6px solid #c98a00}.bar{display:flex;height:8px;background:#eee;margin:.25rem 0}
.busy{background:#2a7d3b}.wait{background:#e0b34a}.over{color:#b3261e;font-weight:600}
svg{background:#f7f7f7;border:1px solid #ddd}polyline{fill:none;stroke:#2457a6;stroke-width:1.5}
figure{display:inline-block;margin:.3rem 1rem .3rem 0}figcaption{font-size:12px;color:#444}
</style></head><body>
)html";

std::string Escape(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::string Ago(const google::protobuf::Timestamp& time, absl::Time now) {
  const absl::Duration age = std::max(now - FromTimestamp(time), absl::ZeroDuration());
  return absl::StrCat(absl::FormatDuration(absl::Trunc(age, absl::Seconds(1))), " ago");
}

std::string Number(double value) {
  return std::abs(value) >= 1000 ? absl::StrFormat("%.0f", value) : absl::StrFormat("%.4g", value);
}

// A loss that is not known yet is 0 in the job.
std::string Loss(double loss) { return loss == 0 ? "-" : absl::StrFormat("%.3f", loss); }

std::string WordOf(v1::StageState state) {
  return v1::StageState_Name(state).substr(sizeof("STAGE_STATE_") - 1);
}

struct Sample {
  double x;
  double y;
};

// A line without axes; its range is in its caption.
std::string Spark(absl::string_view caption, const std::vector<Sample>& samples) {
  if (samples.size() < 2) return "";
  const auto [low, high] = std::minmax_element(
      samples.begin(), samples.end(), [](const Sample& a, const Sample& b) { return a.y < b.y; });
  const double first = samples.front().x;
  const double width = std::max(samples.back().x - first, 1e-9);
  const double height = std::max(high->y - low->y, 1e-9);
  std::string points;
  for (const Sample& sample : samples) {
    absl::StrAppendFormat(&points, "%.1f,%.1f ", (sample.x - first) / width * (kSparkWidth - 4) + 2,
                          kSparkHeight - 3 - (sample.y - low->y) / height * (kSparkHeight - 6));
  }
  return absl::StrCat("<figure><svg width=\"", kSparkWidth, "\" height=\"", kSparkHeight,
                      "\" role=\"img\" aria-label=\"", Escape(caption), "\"><polyline points=\"",
                      points, "\"/></svg><figcaption>", Escape(caption), ": ",
                      Number(samples.back().y), " (", Number(low->y), " to ", Number(high->y),
                      ")</figcaption></figure>");
}

std::string Curves(const JobView& view) {
  const v1::JobSpec& spec = view.job.spec();
  const double tokens = static_cast<double>(spec.pipeline().accumulation()) *
                        static_cast<double>(spec.pipeline().micro_batch()) *
                        static_cast<double>(spec.model().context());
  std::vector<Sample> losses;
  std::vector<Sample> validation;
  std::vector<Sample> speeds;
  const v1::MetricPoint* last = nullptr;
  for (const v1::MetricPoint& point : view.points) {
    const auto update = static_cast<double>(point.update());
    if (point.has_validation_loss()) validation.push_back({update, point.validation_loss()});
    if (!point.has_loss() || !std::isfinite(point.loss())) continue;
    losses.push_back({update, point.loss()});
    // Not across a restart, at which the clock of the stage loop begins again.
    if (last != nullptr && point.elapsed_seconds() > last->elapsed_seconds()) {
      const double seconds = point.elapsed_seconds() - last->elapsed_seconds();
      speeds.push_back({update, tokens * (update - static_cast<double>(last->update())) / seconds});
    }
    last = &point;
  }
  return absl::StrCat(Spark("training loss", losses), Spark("validation loss", validation),
                      Spark("tokens a second", speeds));
}

std::string Lag(const v1::LagStatus& lag) {
  uint64_t largest = 0;
  for (int i = 0; i < lag.counts_size(); ++i) {
    if (lag.counts(i) > 0) largest = static_cast<uint64_t>(i);
  }
  const bool is_over = largest > lag.bound();
  return absl::StrCat(is_over ? "<span class=over>" : "<span>", "lag ", largest, " of at most ",
                      lag.bound(), "</span>");
}

std::string StageBox(const v1::StageStatus& stage) {
  const v1::ActivitySeconds& a = stage.activity();
  const double busy = a.forward() + a.backward() + a.weights() + a.update() + a.evaluate();
  const double wait = a.wait_activation() + a.wait_gradient() + a.wait_send();
  const double all = std::max(busy + wait + a.checkpoint() + a.other(), 1e-9);
  const std::string word = WordOf(stage.state());
  std::string box = absl::StrCat(
      "<div class=\"stage ", word, "\"><b>stage ", stage.index(), "</b> ",
      absl::AsciiStrToLower(word), "<br><span class=dim>", Escape(stage.worker_name()), "</span>",
      absl::StrFormat("<div class=bar title=\"busy %.0f %%, waiting %.0f %%\"><div class=busy "
                      "style=\"width:%.1f%%\"></div><div class=wait style=\"width:%.1f%%\"></div>"
                      "</div>busy %.0f %%, %d updates<br>",
                      100 * busy / all, 100 * wait / all, 100 * busy / all, 100 * wait / all,
                      100 * busy / all, stage.updates()),
      Lag(stage.lag()), ", in flight ", stage.in_flight(), " of ", stage.in_flight_cap());
  if (!stage.error().empty()) absl::StrAppend(&box, "<br>", Escape(stage.error()));
  return box + "</div>";
}

std::string Events(const std::vector<v1::Event>& events, absl::Time now) {
  std::string rows;
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    absl::StrAppend(&rows, "<tr><td class=dim>", Ago(event->time(), now), "<td>",
                    Escape(event->type()), "<td>", Escape(event->reason()));
  }
  if (rows.empty()) return "";
  return absl::StrCat("<table><tr><th>when<th>event<th>why", rows, "</table>");
}

std::string JobSection(const JobView& view, absl::Time now) {
  const v1::Job& job = view.job;
  std::string text = absl::StrCat("<h2 id=\"", Escape(job.id()), "\">", Escape(job.id()), ": ",
                                  ToString(job.state()), "</h2><p>", Escape(job.reason()), "</p>");
  if (!job.stages().empty()) {
    text += "<div class=pipe>";
    for (const v1::StageStatus& stage : job.stages()) text += StageBox(stage);
    text += "</div>";
  }
  return absl::StrCat(text, Curves(view), Events(view.events, now));
}

std::string JobTable(const ClusterView& view) {
  if (view.jobs.empty()) return "<p>There are no jobs.</p>";
  std::string table =
      "<table><tr><th>job<th>state<th class=n>update<th class=n>of<th class=n>loss<th "
      "class=n>tokens/s<th class=n>generation<th>submitted";
  for (const v1::Job& job : view.jobs) {
    absl::StrAppend(&table, "<tr><td><a href=\"/jobs/", Escape(job.id()), "\">", Escape(job.id()),
                    "</a><td>", ToString(job.state()), "<td class=n>", job.progress().updates(),
                    "<td class=n>", job.spec().train().updates(), "<td class=n>",
                    Loss(job.progress().loss()), "<td class=n>",
                    Number(job.progress().tokens_per_second()), "<td class=n>", job.generation(),
                    "<td class=dim>", Ago(job.created(), view.now));
  }
  return table + "</table>";
}

std::string WorkerLine(const std::vector<v1::Worker>& workers) {
  size_t idle = 0;
  size_t lost = 0;
  for (const v1::Worker& worker : workers) {
    if (worker.state() == v1::WORKER_STATE_IDLE) ++idle;
    if (worker.state() == v1::WORKER_STATE_LOST) ++lost;
  }
  return absl::StrCat("<p>", workers.size(), " workers, ", idle, " idle, ", lost, " lost</p>");
}

}  // namespace

uint64_t StepOfCurve(uint64_t updates) { return updates / kCurvePoints + 1; }

std::string StatusPage(const ClusterView& view) {
  std::string page = absl::StrCat(kHead, "<h1><a href=\"/\">paci</a> <span class=dim>", kVersion,
                                  "</span></h1>", WorkerLine(view.workers), JobTable(view));
  for (const JobView& shown : view.shown) page += JobSection(shown, view.now);
  return page + "</body></html>\n";
}

}  // namespace paci
