// SPDX-License-Identifier: GPL-3.0-or-later
// The engine's sentences as the window says them: a setting by the label of its field, not by its
// key in a recipe, and a button instead of an option of the command line.
#pragma once

#include <QString>
#include <string>

#include "engine/base/result.h"

namespace luthier {

struct FieldFault;

/// "training.max_length" → "Context length", as the form calls it; empty for what is no setting.
QString field_label(const std::string& key);
/// A sentence of the engine, with the keys of settings and the command line's options put into the
/// window's words.
QString window_words(const QString& sentence);
/// What the engine says, in the person's language and the window's words.
QString said_text(const std::string& english);
/// An error as the window shows it: the field's label or the file, what is wrong, what to do.
QString error_text(const Error& error);
/// What is wrong with a field, without its label: for under the field.
QString fault_text(const FieldFault& fault);
/// The error of a field that shows `text`: of an empty one in plainer words.
Error fault_error(const Error& error, const QString& text);
/// The key of the setting that an error names as its place; empty if it names none. Of a section
/// ("freeze") the first field.
std::string field_of(const Error& error);

}  // namespace luthier
