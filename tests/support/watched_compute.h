#pragma once

#include <functional>
#include <memory>

#include "common/schedule/action.h"
#include "worker/stage/compute.h"

namespace paci {

// Called on the stage's thread before each action. An error is the action's result: a fault at a
// logical position.
using WatchAction = std::function<absl::Status(Action)>;

// A compute whose every action is shown to `watch` first. Counts the checkpoints that it pretends
// to write.
std::unique_ptr<StageCompute> MakeWatchedCompute(std::unique_ptr<StageCompute> inner,
                                                 WatchAction watch);

}  // namespace paci
