// SPDX-License-Identifier: GPL-3.0-or-later
// A file: a line that says what it is, a line with the SHA-256 of what follows, the binary.
#include "engine/kernels/kernel_cache.h"

#include <span>

#include "engine/base/log.h"
#include "engine/io/files.h"
#include "engine/io/own_cache.h"
#include "engine/kernels/compiler.h"

namespace luthier {
namespace {

constexpr std::string_view kFirstLine = "luthier-kernels-1\n";
constexpr std::size_t kDigits = 64;                   // of a SHA-256
constexpr std::uint64_t kLargestEntry = 64ull << 20;  // today's have a hundred kilobytes

std::string digest(std::string_view bytes) {
  return sha256_bytes(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

}  // namespace

KernelCache::KernelCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

std::filesystem::path KernelCache::usual_folder() {
  const std::filesystem::path base = own_cache_folder();
  return base.empty() ? base : base / "kernels";
}

std::string KernelCache::key(const KernelSource& source, const std::string& architecture,
                             const std::string& compiler_version) {
  std::string parts;
  const auto add = [&parts](std::string_view part) {  // no part can be taken for another's end
    parts += std::to_string(part.size()) + ":";
    parts += part;
  };
  add(source.name);
  add(source.text);
  for (const KernelSource& header : kernel_headers()) add(header.name), add(header.text);
  for (const std::string& option : KernelCompiler::options(architecture)) add(option);
  add(compiler_version);
  return digest(parts);
}

std::filesystem::path KernelCache::path_of(const std::string& key) const {
  return folder_ / (key + ".bin");
}

std::optional<std::string> KernelCache::find(const std::string& key) const {
  if (folder_.empty()) return std::nullopt;
  const Result<std::string> file = read_file(path_of(key), kLargestEntry);
  if (!file) return std::nullopt;
  const std::string_view text = *file;
  const std::size_t head = kFirstLine.size() + kDigits + 1;
  if (text.size() <= head || !text.starts_with(kFirstLine) || text[head - 1] != '\n')
    return std::nullopt;
  const std::string_view binary = text.substr(head);
  if (text.substr(kFirstLine.size(), kDigits) != digest(binary)) return std::nullopt;
  return std::string(binary);
}

void KernelCache::keep(const std::string& key, std::string_view binary) {
  if (folder_.empty()) return;
  std::error_code failed;
  std::filesystem::create_directories(folder_, failed);  // where it fails, so does what follows
  std::string file(kFirstLine);
  file += digest(binary);
  file += '\n';
  file += binary;
  const Status written = write_file_atomically(path_of(key), file);
  if (!written && !told_.exchange(true)) {
    log_warning("Compiled kernels cannot be kept, so each start compiles them anew: " +
                written.error().sentence());
  }
}

}  // namespace luthier
