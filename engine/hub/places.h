// SPDX-License-Identifier: GPL-3.0-or-later
// Where the Hugging Face cache lies on this machine, which hub it is filled from, and which names
// from outside may become part of a path or an address. The variables are those of huggingface_hub,
// so that what people have set for their other tools holds here too.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace luthier {

struct HubSettings {
  std::filesystem::path cache;  ///< HF_HUB_CACHE, else HF_HOME/hub, else
                                ///< XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub
  std::string endpoint;  ///< HF_ENDPOINT without a slash at its end, else https://huggingface.co
  std::string token;     ///< HF_TOKEN, else the file HF_TOKEN_PATH or HF_HOME/token; empty: none
  bool offline = false;  ///< HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set
};

/// As the environment says now.
HubSettings hub_settings();

enum class HubKind { Model, Dataset };

/// "org/name" → "models--org--name", "datasets--org--name".
std::string hub_folder_name(const std::string& repository, HubKind kind = HubKind::Model);
/// "models--org--name" → "org/name"; empty for any other name.
std::string hub_repository_name(const std::string& folder_name);

/// Whether the name is one that the hub gives: "org/name" or "name" of letters, digits, '.', '_'
/// and '-'.
Status check_repository(const std::string& repository);
/// A branch, a tag or a commit; it becomes a file's name below refs/.
Status check_revision(const std::string& revision);
/// A file's name inside a repository: relative, without "..", with parts that a file system takes.
Status check_hub_file_name(const std::string& name, const std::string& where);
/// Lower-case hexadecimal digits, exactly so many.
bool is_hex(std::string_view text, std::size_t digits);

}  // namespace luthier
