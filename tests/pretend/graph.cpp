// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/pretend/graph.h"

#include <utility>
#include <vector>

#include "tests/pretend/arena.h"
#include "tests/pretend/ledger.h"

namespace luthier::pretend {

namespace {

using at::Tensor;
using c10::IValue;
using torch::jit::Stack;

class PretendMemory : public GraphMemory {
 public:
  Pool pool;
};

struct Notes {
  std::vector<std::function<void()>> again;
  std::shared_ptr<PretendMemory> memory;
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
  std::shared_ptr<GraphMemory> make_memory() override { return std::make_shared<PretendMemory>(); }
  void warm_up(torch::Device, const std::function<void()>& work) override { work(); }
  std::unique_ptr<Recording> record(torch::Device, const std::function<void()>& work,
                                    const std::shared_ptr<GraphMemory>& memory) override {
    auto notes = std::make_unique<Notes>();
    notes->memory = std::dynamic_pointer_cast<PretendMemory>(memory ? memory : make_memory());
    write_down(*notes, work);
    auto made = std::make_unique<PretendRecording>(std::move(notes));
    made->replay();
    return made;
  }

 private:
  static void write_down(Notes& notes, const std::function<void()>& work) {
    const Snapshot before;
    const PoolInUse pool(notes.memory->pool);
    recorded = &notes;
    try {
      work();
    } catch (...) {
      recorded = nullptr;
      before.put_back();
      throw;
    }
    recorded = nullptr;
    before.put_back();
  }
};

IValue unowned_value(const IValue& value) {
  if (value.isTensor()) return unowned(value.toTensor());
  if (value.isTensorList()) {
    c10::List<Tensor> list;
    for (const Tensor& tensor : value.toTensorList()) list.push_back(unowned(tensor));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<Tensor>> list;
    for (const std::optional<Tensor> tensor : value.toOptionalTensorList())
      list.push_back(tensor ? std::optional(unowned(*tensor)) : std::nullopt);
    return list;
  }
  return value;
}

/// What was made again goes where the recorded result lies; views and arguments lie there already.
void put_back(const Tensor& recorded_result, const Tensor& made) {
  if (!recorded_result.defined()) return;
  if (recorded_result.const_data_ptr() == made.const_data_ptr()) return;
  TORCH_CHECK(recorded_result.sizes() == made.sizes(),
              "a replay made another size than was recorded");
  readable(recorded_result).copy_(readable(made));
}

void put_back(const IValue& recorded_result, const IValue& made) {
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
    Stack values;
    for (auto value = stack->end() - static_cast<std::ptrdiff_t>(count); value != stack->end();
         ++value)
      values.push_back(unowned_value(*value));
    return values;
  };
  const Stack given = last(op.schema().arguments().size());
  run(op, stack);
  note([op, given, made = last(op.schema().returns().size()), run] {
    Stack again = given;
    run(op, &again);
    for (std::size_t i = 0; i < made.size(); ++i) put_back(made[i], again.at(i));
  });
}

}  // namespace luthier::pretend
