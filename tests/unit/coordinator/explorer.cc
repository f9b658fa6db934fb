#include "tests/unit/coordinator/explorer.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
// A prompt world that has not ended after so many moves goes round in circles.
constexpr size_t kMaxEnd = 2000;

class Search {
 public:
  Search(const ExplorerSetup& setup, const ExplorerBounds& bounds)
      : setup_(setup), bounds_(bounds) {}

  ExplorerResult Run() {
    Visit(ExplorerWorld(&setup_), kNone, {}, 0);
    while (!open_.empty() && result_.violation.empty()) {
      if (nodes_.size() > bounds_.max_states) return Done();
      const Open open = std::move(open_.front());
      open_.pop_front();
      if (open.faults == nodes_[open.node].faults) Expand(open);
    }
    result_.is_exhaustive = result_.violation.empty();
    if (result_.is_exhaustive) CheckEnds();
    return Done();
  }

 private:
  struct Node {
    uint32_t parent = kNone;
    Move move;           // from the parent
    uint32_t depth = 0;  // moves from the beginning
    int faults = 0;      // fewest with which it was reached
    bool is_over = false;
    uint32_t next = kNone;  // if everybody is prompt
    uint32_t to_end = 0;    // moves, if everybody is prompt; 0: not known yet
  };
  struct Open {
    uint32_t node = 0;
    int faults = 0;
    ExplorerWorld world;
  };

  void Expand(const Open& open) {
    bool is_first = true;
    for (const Move& move : open.world.Moves()) {
      const int faults = open.faults + (IsFault(move.kind) ? 1 : 0);
      if (faults > bounds_.faults) continue;
      ExplorerWorld world = open.world;
      world.Apply(move);
      ++result_.moves;
      const uint32_t to = Visit(std::move(world), open.node, move, faults);
      if (!result_.violation.empty()) return;
      if (is_first && !IsFault(move.kind)) nodes_[open.node].next = to;
      is_first = false;
    }
  }

  uint32_t Visit(ExplorerWorld world, uint32_t parent, Move move, int faults) {
    const uint32_t depth = parent == kNone ? 0 : nodes_[parent].depth + 1;
    const size_t fingerprint = std::hash<std::string>()(world.Fingerprint());
    const auto [known, is_new] =
        node_of_.emplace(fingerprint, static_cast<uint32_t>(nodes_.size()));
    const uint32_t index = known->second;
    if (is_new) {
      nodes_.push_back({parent, move, depth, faults, world.is_over()});
      result_.depth = std::max<size_t>(result_.depth, depth);
      if (!world.broken().empty()) {
        result_.violation = world.broken();
        TraceTo(index);
        return index;
      }
    } else if (faults >= nodes_[index].faults) {
      return index;
    }
    nodes_[index].faults = faults;
    if (!world.is_over()) open_.push_back({index, faults, std::move(world)});
    return index;
  }

  void TraceTo(uint32_t index) {
    for (; nodes_[index].parent != kNone; index = nodes_[index].parent) {
      result_.trace.push_back(nodes_[index].move);
    }
    std::reverse(result_.trace.begin(), result_.trace.end());
  }

  // Nodes are in the order of their depth, so that the first that does not end is the nearest.
  void CheckEnds() {
    for (uint32_t i = 0; i < nodes_.size(); ++i) {
      std::vector<uint32_t> way;
      uint32_t at = i;
      while (at != kNone && !nodes_[at].is_over && nodes_[at].to_end == 0 && way.size() < kMaxEnd) {
        way.push_back(at);
        at = nodes_[at].next;
      }
      if (at == kNone || way.size() >= kMaxEnd) {
        result_.violation = at == kNone ? "nothing can happen any more, and the job has not ended"
                                        : "the job goes round in circles";
        TraceTo(i);
        for (const uint32_t node : way) {
          if (nodes_[node].next != kNone) result_.trace.push_back(MoveOf(node));
          if (result_.trace.size() > 200) return;
        }
        return;
      }
      for (auto step = way.rbegin(); step != way.rend(); ++step) {
        nodes_[*step].to_end = nodes_[nodes_[*step].next].to_end + 1;
        result_.longest_end = std::max<size_t>(result_.longest_end, nodes_[*step].to_end);
      }
    }
  }

  // The first move of a node is found again by going there.
  Move MoveOf(uint32_t index) {
    const std::vector<Move> kept = std::exchange(result_.trace, {});
    TraceTo(index);
    ExplorerWorld world(&setup_);
    for (const Move& move : result_.trace) world.Apply(move);
    result_.trace = kept;
    return world.Moves().front();
  }

  ExplorerResult Done() {
    result_.states = nodes_.size();
    result_.text = absl::StrCat(result_.violation, "\n");
    ExplorerWorld world(&setup_);
    for (const Move& move : result_.trace) {
      absl::StrAppend(&result_.text, "  ", world.Describe(move), "\n");
      world.Apply(move);
    }
    return std::move(result_);
  }

  const ExplorerSetup& setup_;
  const ExplorerBounds bounds_;
  std::vector<Node> nodes_;
  std::unordered_map<size_t, uint32_t> node_of_;  // by the hash of a fingerprint
  std::deque<Open> open_;
  ExplorerResult result_;
};

}  // namespace

ExplorerResult Explore(const ExplorerSetup& setup, const ExplorerBounds& bounds) {
  return Search(setup, bounds).Run();
}

}  // namespace paci
