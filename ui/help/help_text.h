// SPDX-License-Identifier: GPL-3.0-or-later
// Help as HTML, made from what the program itself goes by: a setting's from its row in the table of
// fields and its note, a page's from the text that stands here. Nothing is fetched.
#pragma once

#include <QString>

#include "engine/config/recipe.h"
#include "ui/page.h"

namespace luthier {

/// "Usual: 8 to 64. It costs memory …" in the window's language; empty: the setting has no note.
QString field_note_text(const std::string& key);
/// "1 to 65536"; empty: any.
QString field_range_text(const FieldDescription& field);

QString page_title(PageId page);
QString page_help(PageId page);
/// As the recipe's kinds have it.
QString field_help(const FieldDescription& field, const Recipe& recipe);
/// Links to all settings whose words hold all of these; nothing asked for: to all.
QString field_list_help(const QString& words);

/// Where the links lead: "page:3", "field:adapter.r", "fields".
QString page_link(PageId page);
QString field_link(const std::string& key);

}  // namespace luthier
