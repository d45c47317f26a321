// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/help/help_window.h"

#include <QLineEdit>
#include <QTextBrowser>
#include <QUrl>
#include <QVBoxLayout>

#include "ui/help/help_text.h"
#include "ui/language.h"
#include "ui/main_window.h"
#include "ui/theme.h"
#include "ui/train/field_editor.h"

namespace luthier {

namespace {
const QString kPage = QStringLiteral("page:"), kField = QStringLiteral("field:"),
              kFields = QStringLiteral("fields");
}

HelpWindow::HelpWindow(MainWindow* window) : QDialog(window), window_(*window) {
  setObjectName(QStringLiteral("helpWindow"));
  auto* layout = new QVBoxLayout(this);
  find_ = new QLineEdit(this);
  find_->setObjectName(QStringLiteral("findHelp"));
  find_->setClearButtonEnabled(true);
  layout->addWidget(find_);
  text_ = new QTextBrowser(this);
  text_->setObjectName(QStringLiteral("helpText"));
  text_->setOpenLinks(false);
  layout->addWidget(text_, 1);
  connect(text_, &QTextBrowser::anchorClicked, this,
          [this](const QUrl& link) { go_to(link.toString()); });
  connect(find_, &QLineEdit::textChanged, this, [this] { go_to(kFields); });
  connect(&Theme::instance(), &Theme::changed, this, &HelpWindow::write);
  on_language(this, [this] {
    setWindowTitle(tr("Luthier: help"));
    find_->setPlaceholderText(tr("Find a setting"));
    find_->setAccessibleName(tr("Find a setting"));
    text_->setAccessibleName(tr("Help"));
    write();
  });
  resize(scaled_length(460), scaled_length(560));
}

void HelpWindow::show_for(const QWidget* focused, PageId page) {
  QString place = page_link(page);
  for (const QWidget* each = focused; each; each = each->parentWidget())
    if (const auto* editor = qobject_cast<const FieldEditor*>(each))
      place = field_link(editor->field().key);
  go_to(place);
  show();
  raise();
  activateWindow();
  text_->setFocus();
}

void HelpWindow::go_to(const QString& place) {
  place_ = place;
  write();
}

void HelpWindow::write() {
  if (place_ == kFields) {
    text_->setHtml(field_list_help(find_->text()));
    return;
  }
  if (place_.startsWith(kPage)) {
    const int page = place_.mid(kPage.size()).toInt();
    if (page >= 0 && page < kPageCount) text_->setHtml(page_help(static_cast<PageId>(page)));
    return;
  }
  const std::string key = place_.mid(kField.size()).toStdString();
  for (const FieldDescription& field : recipe_fields())
    if (field.key == key) text_->setHtml(field_help(field, window_.workspace().recipe()));
}

}  // namespace luthier
