// SPDX-License-Identifier: GPL-3.0-or-later
// What LibTorch asks of a device besides kernels: a guard, random generators, empty tensors, views,
// copies between it and the host, single numbers read back. One stream, in order.
#include <ATen/CPUFunctions.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>

#include "tests/pretend/arena.h"
#include "tests/pretend/graph.h"
#include "tests/pretend/kernels.h"
#include "tests/pretend/ledger.h"
#include "tests/pretend/pretend.h"

namespace luthier::pretend {

namespace {

using at::Tensor;

constexpr c10::DispatchKeySet kKeys{c10::DispatchKey::PrivateUse1};

std::atomic<bool> finishes = true;

class Guard : public c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::PrivateUse1> {
 public:
  c10::Device exchangeDevice(c10::Device) const override { return device(); }
  c10::Device getDevice() const override { return device(); }
  c10::Stream getStream(c10::Device) const noexcept override { return only(); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return only(); }
  void record(void**, const c10::Stream&, const c10::DeviceIndex,
              const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return finishes; }
  void* getStreamNativeHandle(const c10::Stream) const override { return nullptr; }

 private:
  static c10::Stream only() { return c10::Stream(c10::Stream::DEFAULT, device()); }
};

/// Draws as the CPU's generator of the same seed does.
class Generator : public at::CPUGeneratorImpl {
 public:
  explicit Generator(std::uint64_t seed = c10::default_rng_seed_val) : at::CPUGeneratorImpl(seed) {
    device_ = device();
    key_set_ = kKeys;
  }

 private:
  Generator* clone_impl() const override { return new Generator(current_seed()); }
};

class Hooks : public at::PrivateUse1HooksInterface {
 public:
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    static const at::Generator generator = at::make_generator<Generator>();
    return generator;
  }
  at::Generator getNewGenerator(c10::DeviceIndex) const override {
    return at::make_generator<Generator>();
  }
};

Tensor empty(c10::IntArrayRef size, std::optional<c10::ScalarType> type, std::optional<c10::Layout>,
             std::optional<c10::Device>, std::optional<bool>,
             std::optional<c10::MemoryFormat> format) {
  return at::detail::empty_generic(size, device_allocator(), kKeys, c10::dtype_or_default(type),
                                   format);
}

Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride,
                     std::optional<c10::ScalarType> type, std::optional<c10::Layout>,
                     std::optional<c10::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, device_allocator(), kKeys,
                                           c10::dtype_or_default(type));
}

Tensor as_strided(const Tensor& tensor, c10::SymIntArrayRef size, c10::SymIntArrayRef stride,
                  std::optional<c10::SymInt> offset) {
  return at::cpu::as_strided_symint(tensor, size, stride, std::move(offset));
}
Tensor view(const Tensor& tensor, c10::SymIntArrayRef size) {
  return at::cpu::view_symint(tensor, size);
}
Tensor reshape_alias(const Tensor& tensor, c10::SymIntArrayRef size, c10::SymIntArrayRef stride) {
  return at::cpu::_reshape_alias_symint(tensor, size, stride);
}

const Tensor& resize(const Tensor& tensor, c10::IntArrayRef size,
                     std::optional<c10::MemoryFormat>) {
  if (tensor.sizes() == size) return tensor;
  const Tensor fresh = at::empty(size, tensor.options());
  auto* inside = tensor.unsafeGetTensorImpl();
  inside->set_sizes_contiguous(size);
  inside->set_storage_keep_dtype(fresh.storage());
  return tensor;
}

Tensor copy_from(const Tensor& from, const Tensor& to, bool /*non_blocking*/) {
  if (from.is_privateuseone() && to.is_privateuseone()) {
    do_and_note([from = unowned(from), to = unowned(to)] {
      record({"copy_", reach(from) + reach(to)});
      if (!is_dry() || !is_large(to)) readable(to).copy_(readable(from));
    });
    return to;
  }
  record_copy(/*up=*/to.is_privateuseone(), static_cast<std::int64_t>(to.nbytes()));
  readable(to).copy_(readable(from));
  return to;
}

c10::Scalar number_of(const Tensor& tensor) {
  record_wait("item");
  return at::_local_scalar_dense(readable(tensor));
}

c10::OperatorHandle operator_named(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "");
}

/// A convolution is one kernel on a card; LibTorch asks other devices for one of their own, by a
/// name that the CPU's has not.
void convolve(const c10::OperatorHandle&, torch::jit::Stack* stack) {
  static const c10::OperatorHandle convolution = operator_named("aten::convolution");
  run_operator(convolution, stack);
}

void convolve_back(const c10::OperatorHandle&, torch::jit::Stack* stack) {
  static const c10::OperatorHandle backward = operator_named("aten::convolution_backward");
  constexpr std::int64_t kArguments = 10, kWeight = 2, kWanted = 9;
  const auto first = stack->end() - kArguments;
  const Tensor weight = first[kWeight].toTensor();
  const bool of_bias = first[kWanted].toBoolList().get(2);
  // The CPU's wants the bias's sizes behind the weight.
  const auto sizes =
      of_bias ? c10::IValue(std::vector<std::int64_t>{weight.size(0)}) : c10::IValue();
  stack->insert(first + kWeight + 1, sizes);
  run_operator(backward, stack);
}

using Boxed = torch::CppFunction;

/// Operators that LibTorch would otherwise put together from others, where CUDA has one kernel for
/// them: those that the CPU has one for, too, and the list kernels.
void add_whole_operators() {
  static auto* library = new torch::Library(torch::Library::IMPL, "aten",
                                            c10::DispatchKey::PrivateUse1, __FILE__, __LINE__);
  auto& dispatcher = c10::Dispatcher::singleton();
  for (const c10::OperatorName& name : dispatcher.getAllOpNames()) {
    if (!name.name.starts_with("aten::")) continue;
    const auto op = dispatcher.findSchema(name);
    if (!op || op->hasKernelForDispatchKey(c10::DispatchKey::PrivateUse1)) continue;
    const bool composed =
        op->hasKernelForDispatchKey(c10::DispatchKey::CompositeExplicitAutograd) ||
        op->hasKernelForDispatchKey(c10::DispatchKey::CompositeExplicitAutogradNonFunctional);
    const bool list = name.name.starts_with("aten::_foreach_") &&
                      name.overload_name.find("out") == std::string::npos;
    const bool whole = composed && op->hasKernelForDispatchKey(c10::DispatchKey::CPU);
    if (!whole && !list) continue;
    const std::string key =
        name.name.substr(6) + (name.overload_name.empty() ? "" : "." + name.overload_name);
    library->impl(key.c_str(), Boxed::makeFromBoxedFunction<&run_operator>());
  }
}

}  // namespace

void let_finish(bool does) { finishes = does; }

void start() {
  map_arena();
  c10::register_privateuse1_backend("pretend");
  c10::SetAllocator(c10::DeviceType::PrivateUse1, device_allocator());
  at::RegisterPrivateUse1HooksInterface(new Hooks);
  add_whole_operators();
  let_flash(true);
  set_graph_recorder(c10::DeviceType::PrivateUse1, recorder());
}

namespace {
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)
}

}  // namespace luthier::pretend

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  using namespace luthier::pretend;
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("as_strided", as_strided);
  library.impl("view", view);
  library.impl("_reshape_alias", reshape_alias);
  library.impl("resize_", resize);
  library.impl("_copy_from", copy_from);
  library.impl("_local_scalar_dense", number_of);
  library.impl("convolution_overrideable", torch::CppFunction::makeFromBoxedFunction<&convolve>());
  library.impl("convolution_backward_overrideable",
               torch::CppFunction::makeFromBoxedFunction<&convolve_back>());
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&luthier::pretend::run_operator>());
}
