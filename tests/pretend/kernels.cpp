// SPDX-License-Identifier: GPL-3.0-or-later
// One function stands for the device's kernels. Arguments are swapped for views of the readable
// mapping, LibTorch's CPU kernel runs over them, and what it made goes into the device's memory.
#include "tests/pretend/kernels.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>
#include <set>

#include <ATen/CPUGeneratorImpl.h>

#include "tests/pretend/arena.h"
#include "tests/pretend/graph.h"
#include "tests/pretend/ledger.h"
#include "tests/pretend/pretend.h"

namespace luthier::pretend {

namespace {

using at::Tensor;
using c10::IValue;

bool one_of(const std::string& name, std::initializer_list<const char*> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The size of what these return depends on values, or they return a value.
bool waits(const std::string& name) {
  return one_of(name, {"nonzero", "masked_select", "equal", "is_nonzero", "bincount", "_unique2",
                       "unique_dim", "unique_consecutive"});
}
/// The host's indices are copied up for these.
bool takes_host_indices(const std::string& name) {
  return one_of(name, {"index", "index_put_", "_index_put_impl_"});
}

/// What CUDA's list kernels launch for `lists` side by side: a launch holds so many tensors and 320
/// chunks of 65,536 numbers.
std::int64_t list_launches(const std::vector<std::vector<Tensor>>& lists) {
  constexpr std::int64_t kTensors[] = {110, 64, 48, 36, 30}, kChunk = 65536, kChunks = 320;
  std::int64_t depth = 0, chunks = 0;
  for (const auto& list : lists) depth += !list.empty();
  if (depth == 0) return 1;
  const auto tensors = static_cast<std::int64_t>(lists.front().size());
  for (const Tensor& each : lists.front()) chunks += (each.numel() + kChunk - 1) / kChunk;
  const std::int64_t held = kTensors[std::min<std::int64_t>(depth, 5) - 1];
  return std::max({std::int64_t{1}, (tensors + held - 1) / held, (chunks + kChunks - 1) / kChunks});
}

class Call {
 public:
  Call(const c10::OperatorHandle& op, torch::jit::Stack* stack)
      : op_(op),
        schema_(op.schema()),
        name_(schema_.name().substr(schema_.name().find("::") + 2)),
        stack_(*stack),
        count_(schema_.arguments().size()),
        first_(stack_.size() - count_),
        given_(stack_.begin() + static_cast<std::ptrdiff_t>(first_), stack_.end()) {}

  void run() {
    for (std::size_t i = 0; i < count_; ++i) take(i);
    if (foreign_ && !ours_.empty()) meet_foreign();
    if (waits(name_) || boolean_index_ || counts_repeats()) record_wait(name_);
    if (is_dry() && std::any_of(ours_.begin(), ours_.end(), is_large) && leave_out()) return;
    op_.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack_);
    const std::size_t results = schema_.returns().size(), start = stack_.size() - results;
    for (std::size_t i = 0; i < results; ++i) hand_back(i, stack_[start + i]);
    account();
  }

 private:
  // Arguments.

  void take(std::size_t i) {
    IValue& value = stack_[first_ + i];
    if (value.isTensor()) {
      const Tensor tensor = value.toTensor();
      const auto* alias = schema_.arguments()[i].alias_info();
      const bool grows = alias && alias->isWrite() && tensor.defined() &&
                         tensor.is_privateuseone() && tensor.numel() == 0;
      if (grows) {  // its kernel gives it a size
        ours_.push_back(tensor);
        value = at::empty({0}, tensor.options().device(at::kCPU));
      } else {
        value = taken(tensor);
      }
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      lists_.emplace_back();
      for (const Tensor& tensor : value.toTensorList()) {
        list.push_back(taken(tensor));
        lists_.back().push_back(tensor);
      }
      value = list;
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> list;
      for (const std::optional<Tensor> tensor : value.toOptionalTensorList()) {
        const bool defined = tensor && tensor->defined();
        boolean_index_ = boolean_index_ || (defined && tensor->scalar_type() == at::kBool);
        list.push_back(defined ? std::optional(taken(*tensor)) : std::nullopt);
      }
      value = list;
    } else if (value.isDevice()) {
      value = c10::Device(at::kCPU);
    } else if (value.isGenerator() && value.toGenerator().device().is_privateuseone()) {
      refuse_while_recording("a draw of a generator");
      value = at::make_generator<at::CPUGeneratorImpl>(value.toGenerator().current_seed());
    }
  }

  Tensor taken(const Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (tensor.is_privateuseone()) {
      ours_.push_back(tensor);
      return readable(tensor);
    }
    if (tensor.dim() == 0)
      record_host_scalar();
    else
      foreign_ = true;
    return tensor;
  }

  void meet_foreign() const {
    TORCH_CHECK(takes_host_indices(name_), "Expected all tensors to be on the same device, but ",
                schema_.operator_name(), " got one of the host's beside the device's, in ",
                engine_place(), ".");
    record_copy(/*up=*/true, 0);
  }

  /// repeat_interleave of a tensor of counts has to know their sum.
  bool counts_repeats() const { return name_ == "repeat_interleave" && given_.back().isNone(); }

  // A dry step.

  /// False where the work has to be done all the same.
  bool leave_out() {
    const auto& returns = schema_.returns();
    const bool writes = std::all_of(returns.begin(), returns.end(), [](const auto& each) {
      return each.alias_info() && each.alias_info()->isWrite();
    });
    std::vector<IValue> results;
    if (writes) {
      for (const auto& each : returns) results.push_back(argument_of(*each.alias_info()));
    } else if (!imagine(results)) {
      return false;
    }
    stack_.erase(stack_.begin() + static_cast<std::ptrdiff_t>(first_), stack_.end());
    stack_.insert(stack_.end(), results.begin(), results.end());
    account();
    return true;
  }

  /// Results of the sizes that the operator's kernel for tensors without data says.
  bool imagine(std::vector<IValue>& results) {
    static std::mutex mutex;
    static std::set<std::string> unknown;
    const std::string key = c10::toString(schema_.operator_name());
    if (const auto size = size_of_lookup()) {
      results.emplace_back(
          empty_like_of(at::empty(*size, ours_.front().options().device(at::kMeta))));
      return true;
    }
    const std::lock_guard lock(mutex);
    if (unknown.contains(key)) return false;
    torch::jit::Stack stack;
    for (const IValue& value : given_) stack.push_back(without_data(value));
    try {
      op_.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::Meta), &stack);
    } catch (const c10::Error&) {
      unknown.insert(key);
      return false;
    }
    for (const IValue& value : stack) {
      if (value.isTensorList()) {
        c10::List<Tensor> list;
        for (const Tensor& tensor : value.toTensorList()) list.push_back(empty_like_of(tensor));
        results.emplace_back(list);
      } else {
        results.push_back(value.isTensor() ? IValue(empty_like_of(value.toTensor())) : value);
      }
    }
    return true;
  }

  /// Of lookups, which have no such kernel.
  std::optional<std::vector<std::int64_t>> size_of_lookup() const {
    if (name_ == "index_select") {
      std::vector<std::int64_t> size = ours_[0].sizes().vec();
      const std::int64_t axis = given_[1].toInt();
      size[static_cast<std::size_t>(axis < 0 ? axis + ours_[0].dim() : axis)] = ours_[1].numel();
      return size;
    }
    if (name_ == "embedding_dense_backward")
      return std::vector<std::int64_t>{given_[2].toInt(), ours_[0].size(-1)};
    return std::nullopt;
  }

  static Tensor imagined(const Tensor& tensor) {
    return tensor.defined() ? at::empty_strided(tensor.sizes(), tensor.strides(),
                                                tensor.options().device(at::kMeta))
                            : tensor;
  }
  static IValue without_data(const IValue& value) {
    if (value.isTensor()) return imagined(value.toTensor());
    if (value.isDevice()) return c10::Device(at::kMeta);
    if (!value.isTensorList()) return value;
    c10::List<Tensor> list;
    for (const Tensor& tensor : value.toTensorList()) list.push_back(imagined(tensor));
    return list;
  }
  Tensor empty_like_of(const Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    const Tensor made =
        at::empty_strided(tensor.sizes(), tensor.strides(), tensor.options().device(device()));
    made_.push_back(made);
    return made;
  }

  // Results.

  const IValue& argument_of(const c10::AliasInfo& alias) const {
    for (std::size_t i = 0; i < count_; ++i) {
      const auto* own = schema_.arguments()[i].alias_info();
      if (own && *own == alias) return given_[i];
    }
    TORCH_CHECK(false, schema_.operator_name(), " returns an argument that it does not have");
  }

  void hand_back(std::size_t i, IValue& value) {
    const auto* alias = schema_.returns()[i].alias_info();
    if (alias && alias->isWrite()) {
      const Tensor made = value.isTensor() ? value.toTensor() : Tensor();
      value = argument_of(*alias);
      if (made.defined() && made.numel() > 0 && value.toTensor().numel() == 0)
        grow(value.toTensor(), made);
    } else if (value.isTensor()) {
      value = on_device(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& tensor : value.toTensorList()) list.push_back(on_device(tensor));
      value = list;
    }
  }

  static void grow(const Tensor& tensor, const Tensor& made) {
    const Tensor fresh = at::empty(made.sizes(), tensor.options());
    auto* inside = tensor.unsafeGetTensorImpl();
    inside->set_sizes_contiguous(made.sizes());
    inside->set_storage_keep_dtype(fresh.storage());
    readable(tensor).copy_(made);
  }

  Tensor on_device(const Tensor& result) {
    if (!result.defined() || !result.is_cpu()) return result;
    if (result.numel() > 0 && is_readable(result.const_data_ptr())) {  // a view of an argument
      const char* at = static_cast<const char*>(result.const_data_ptr());
      for (const Tensor& tensor : ours_) {
        const char* begin = readable_storage(tensor);
        if (at < begin || at >= begin + tensor.storage().nbytes()) continue;
        return at::as_strided(tensor, result.sizes(), result.strides(),
                              (at - begin) / static_cast<std::int64_t>(result.itemsize()));
      }
    }
    const Tensor made =
        at::empty_strided(result.sizes(), result.strides(), result.options().device(device()));
    readable(made).copy_(result);
    made_.push_back(made);
    return made;
  }

  // Accounts.

  void account() const {
    Work work;
    work.name = name_;
    work.bytes = bytes();
    work.flops = flops();
    if (work.flops > 0) {
      const bool wide = ours_.front().itemsize() >= 4;
      work.kind = wide ? Work::Kind::WideProduct : Work::Kind::Product;
    }
    if (name_.starts_with("_foreach") || name_.starts_with("_fused_ada")) {
      work.launches = list_launches(lists_);
      work.launches += name_ == "_foreach_norm";  // its partial sums are added up
    }
    record(work);
  }

  double bytes() const {
    const Tensor& result = made_.empty() ? ours_.back() : made_.front();
    if (one_of(name_, {"index_select", "gather", "embedding"})) return 2 * reach(result);
    if (name_.starts_with("scatter") || name_.starts_with("index_")) {
      // In place it reaches no further than what it puts there.
      const bool in_place = made_.empty() && ours_.back().is_alias_of(ours_.front());
      double moved = in_place || name_.ends_with('_') ? 0 : 2 * reach(ours_.front());
      for (std::size_t i = 1; i < ours_.size(); ++i)
        moved += ours_[i].is_alias_of(ours_.front()) ? 0 : 2 * reach(ours_[i]);
      return moved;
    }
    return reach(ours_) + reach(made_);
  }

  double flops() const {
    const auto size = [this](std::size_t tensor, std::int64_t axis) {
      return static_cast<double>(ours_[tensor].size(axis));
    };
    if (name_ == "mm") return 2 * size(0, 0) * size(0, 1) * size(1, 1);
    if (name_ == "addmm" || name_ == "addmm_") return 2 * size(1, 0) * size(1, 1) * size(2, 1);
    if (name_ == "bmm") return 2 * size(0, 0) * size(0, 1) * size(0, 2) * size(1, 2);
    return 0;
  }

  const c10::OperatorHandle& op_;
  const c10::FunctionSchema& schema_;
  std::string name_;
  torch::jit::Stack& stack_;
  std::size_t count_, first_;
  std::vector<IValue> given_;
  std::vector<Tensor> ours_, made_;         ///< the device's arguments; what it was given back
  std::vector<std::vector<Tensor>> lists_;  ///< arguments that are lists
  bool foreign_ = false, boolean_index_ = false;
};

}  // namespace

void run_operator(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  run_and_note(op, stack, [](const c10::OperatorHandle& called, torch::jit::Stack* values) {
    Call(called, values).run();
  });
}

}  // namespace luthier::pretend
