// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/pretend/graph.h"

#include <utility>
#include <vector>

#include "tests/pretend/arena.h"
#include "tests/pretend/ledger.h"

namespace luthier::pretend {

namespace {

using at::Tensor;
using torch::jit::Stack;

/// What was freed while it was recorded is nobody else's until it goes, as in the pool of a card's
/// graph.
struct Notes {
  std::vector<std::function<void()>> again;
  std::vector<void*> blocks;

  Notes() = default;
  Notes(const Notes&) = delete;
  Notes& operator=(const Notes&) = delete;
  ~Notes() {
    again.clear();
    for (void* block : blocks) give_to_arena(block);
  }
};

thread_local Notes* recorded = nullptr;
thread_local bool replayed = false;

class PretendRecording : public Recording {
 public:
  explicit PretendRecording(std::unique_ptr<Notes> notes) : notes_(std::move(notes)) {}
  void replay() override {
    TORCH_CHECK(!recorded && !replayed, "a recording is replayed by itself");
    record({"graph"});
    replayed = true;
    try {
      for (const auto& again : notes_->again) again();
    } catch (...) {
      replayed = false;
      throw;
    }
    replayed = false;
  }

 private:
  std::unique_ptr<Notes> notes_;
};

class PretendRecorder : public GraphRecorder {
 public:
  void warm_up(torch::Device, const std::function<void()>& work) override { work(); }
  std::unique_ptr<Recording> record(torch::Device, const std::function<void()>& work) override {
    auto notes = std::make_unique<Notes>();
    recorded = notes.get();
    try {
      work();
    } catch (...) {
      recorded = nullptr;
      throw;
    }
    recorded = nullptr;
    return std::make_unique<PretendRecording>(std::move(notes));
  }
};

/// What was made again goes where the recorded result lies; views and arguments lie there already.
void put_back(const Tensor& recorded_result, const Tensor& made) {
  if (!recorded_result.defined() || recorded_result.is_alias_of(made)) return;
  TORCH_CHECK(recorded_result.sizes() == made.sizes(),
              "a replay made another size than was recorded");
  readable(recorded_result).copy_(readable(made));
}

void put_back(const c10::IValue& recorded_result, const c10::IValue& made) {
  if (recorded_result.isTensor()) return put_back(recorded_result.toTensor(), made.toTensor());
  if (!recorded_result.isTensorList()) return;
  const auto before = recorded_result.toTensorVector(), now = made.toTensorVector();
  for (std::size_t i = 0; i < before.size(); ++i) put_back(before[i], now.at(i));
}

}  // namespace

GraphRecorder* recorder() {
  static PretendRecorder only;
  return &only;
}

bool is_recording() { return recorded != nullptr; }
bool is_replaying() { return replayed; }

void note(std::function<void()> again) { recorded->again.push_back(std::move(again)); }

void refuse_while_recording(const std::string& what) {
  TORCH_CHECK(!recorded, "A recording cannot hold ", what, ", in ", engine_place(), ".");
}

void run_and_note(const c10::OperatorHandle& op, Stack* stack,
                  void (*run)(const c10::OperatorHandle&, Stack*)) {
  if (!recorded) return run(op, stack);
  const auto last = [stack](std::size_t count) {
    return Stack(stack->end() - static_cast<std::ptrdiff_t>(count), stack->end());
  };
  const Stack given = last(op.schema().arguments().size());
  run(op, stack);
  note([op, given, made = last(op.schema().returns().size()), run] {
    Stack again = given;
    run(op, &again);
    for (std::size_t i = 0; i < made.size(); ++i) put_back(made[i], again.at(i));
  });
}

bool keeps_block(void* block) {
  if (!recorded) return false;
  recorded->blocks.push_back(block);
  return true;
}

}  // namespace luthier::pretend
