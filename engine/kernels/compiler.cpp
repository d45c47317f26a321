// SPDX-License-Identifier: GPL-3.0-or-later
// Entries as NVRTC documents them; 0 is success.
#include "engine/kernels/compiler.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>

#include "engine/base/library_entry.h"
#include "engine/device/cuda_libraries.h"

namespace luthier {

struct KernelCompiler::Entries {
  using Program = void*;
  int (*version)(int*, int*) = nullptr;
  int (*architecture_count)(int*) = nullptr;
  int (*architectures)(int*) = nullptr;
  const char* (*error_text)(int) = nullptr;
  int (*create)(Program*, const char*, const char*, int, const char* const*,
                const char* const*) = nullptr;
  int (*destroy)(Program*) = nullptr;
  int (*compile)(Program, int, const char* const*) = nullptr;
  int (*log_size)(Program, std::size_t*) = nullptr;
  int (*log)(Program, char*) = nullptr;
  int (*cubin_size)(Program, std::size_t*) = nullptr;
  int (*cubin)(Program, char*) = nullptr;
  int (*ptx_size)(Program, std::size_t*) = nullptr;
  int (*ptx)(Program, char*) = nullptr;

  /// Empty: all were found.
  std::string find(void* library) {
    const auto entry = [library](const char* name, auto& function) {
      return find_entry(library, name, function);
    };
    const bool whole =
        entry("nvrtcVersion", version) && entry("nvrtcGetNumSupportedArchs", architecture_count) &&
        entry("nvrtcGetSupportedArchs", architectures) &&
        entry("nvrtcGetErrorString", error_text) && entry("nvrtcCreateProgram", create) &&
        entry("nvrtcDestroyProgram", destroy) && entry("nvrtcCompileProgram", compile) &&
        entry("nvrtcGetProgramLogSize", log_size) && entry("nvrtcGetProgramLog", log) &&
        entry("nvrtcGetCUBINSize", cubin_size) && entry("nvrtcGetCUBIN", cubin) &&
        entry("nvrtcGetPTXSize", ptx_size) && entry("nvrtcGetPTX", ptx);
    return whole ? "" : loader_words("an entry is missing");
  }
};

namespace {

constexpr int kCompiled = 0;

/// A text or a binary that NVRTC hands out by size and pointer.
template <class Size, class Get>
std::string taken(void* program, Size size, Get get) {
  std::size_t bytes = 0;
  if (size(program, &bytes) != kCompiled) return {};
  std::string made(bytes, '\0');
  return get(program, made.data()) == kCompiled ? made : std::string();
}

}  // namespace

std::vector<std::string> KernelCompiler::usual_libraries() {
  std::vector<std::string> folders{""};
  if (const std::filesystem::path beside = libtorch_folder(); !beside.empty()) {
    folders.push_back((beside / "").string());
    for (const char* package : {"cu13", "cuda_nvrtc"})
      folders.push_back((beside / "../../nvidia" / package / "lib" / "").string());
  }
  std::vector<std::string> libraries;
  for (const std::string& folder : folders)
    for (const char* name : {"libnvrtc.so.13", "libnvrtc.so.12"})
      libraries.push_back(folder + name);
  return libraries;
}

Result<KernelCompiler> KernelCompiler::open(const std::vector<std::string>& libraries) {
  std::string problem;
  for (const std::string& path : libraries) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      const std::string words = loader_words(path);
      if (problem.empty()) problem = words;
      continue;
    }
    const auto entries = std::make_shared<Entries>();
    KernelCompiler compiler;
    int major = 0, minor = 0, count = 0;
    problem = entries->find(library);
    if (!problem.empty() || entries->version(&major, &minor) != kCompiled ||
        entries->architecture_count(&count) != kCompiled || count < 1) {
      if (problem.empty()) problem = path + " does not answer";
      continue;
    }
    compiler.architectures_.resize(static_cast<std::size_t>(count));
    if (entries->architectures(compiler.architectures_.data()) != kCompiled) continue;
    compiler.version_ = std::to_string(major) + "." + std::to_string(minor);
    compiler.entries_ = entries;
    return compiler;
  }
  return machine_error("CUDA's compiler (NVRTC) cannot be loaded: " + problem + ".", {},
                       "It comes with LibTorch's CUDA wheels.");
}

Result<std::string> KernelCompiler::architecture_for(int capability) const {
  int newest = 0;
  for (const int known : architectures_) {
    if (known == capability) return "sm_" + std::to_string(capability);
    if (known < capability) newest = std::max(newest, known);
  }
  if (newest > 0) return "compute_" + std::to_string(newest);
  return machine_error(
      "CUDA's compiler (NVRTC " + version_ + ") does not know cards of compute capability " +
      std::to_string(capability / 10) + "." + std::to_string(capability % 10) + ".");
}

std::vector<std::string> KernelCompiler::options(const std::string& architecture) {
  // A product and the sum behind it stay two roundings: so the bits do not depend on what a
  // compiler makes one of, for one card or another, and the tests' C++ comes to the same. The
  // kernels wait for memory, not for arithmetic.
  return {"--gpu-architecture=" + architecture, "--std=c++17", "--fmad=false"};
}

Result<CompiledKernels> KernelCompiler::compile(const KernelSource& source,
                                                const std::string& architecture,
                                                bool reports) const {
  const std::string name(source.name), text(source.text);
  std::vector<std::string> headers, header_names;
  for (const KernelSource& header : kernel_headers()) {
    headers.emplace_back(header.text);
    header_names.emplace_back(header.name);
  }
  const auto pointers = [](const std::vector<std::string>& texts) {
    std::vector<const char*> list;
    for (const std::string& each : texts) list.push_back(each.c_str());
    return list;
  };
  Entries::Program program = nullptr;
  int result =
      entries_->create(&program, text.c_str(), name.c_str(), static_cast<int>(headers.size()),
                       pointers(headers).data(), pointers(header_names).data());
  CompiledKernels made;
  if (result == kCompiled) {
    std::vector<std::string> given = options(architecture);
    if (reports) given.emplace_back("--ptxas-options=-v");
    result = entries_->compile(program, static_cast<int>(given.size()), pointers(given).data());
    made.log = taken(program, entries_->log_size, entries_->log);
    if (const std::size_t end = made.log.find('\0'); end != std::string::npos) made.log.resize(end);
    if (result == kCompiled) {
      made.binary = architecture.starts_with("sm_")
                        ? taken(program, entries_->cubin_size, entries_->cubin)
                        : taken(program, entries_->ptx_size, entries_->ptx);
    }
    entries_->destroy(&program);
  }
  if (!made.binary.empty()) return made;
  const std::string words = made.log.empty() ? entries_->error_text(result) : made.log;
  return machine_error("A kernel could not be compiled for " + architecture + ": " + words, name);
}

}  // namespace luthier
