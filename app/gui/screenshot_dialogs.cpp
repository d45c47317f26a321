// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures of the windows that stand beside the pages: a row inspected, a step taken apart, an
// export, a chat.
#include <QAbstractButton>
#include <QAction>
#include <QApplication>
#include <QDialog>
#include <QDir>
#include <QLabel>
#include <QLineEdit>
#include <QSpinBox>
#include <QTextBrowser>
#include <cstdio>

#include "app/gui/screenshots.h"
#include "ui/main_window.h"

namespace luthier {

namespace {
constexpr double kDialogPatience = 300;
}

bool Screenshots::save_dialog(const char* object, const char* name) {
  auto* dialog = window_.findChild<QDialog*>(QLatin1String(object));
  if (!dialog || !dialog->isVisible()) {
    std::fprintf(stderr, "screenshots: %s is not open\n", object);
    return false;
  }
  settle(400);
  const QString file = QDir(folder_).filePath(QLatin1String(name) + QStringLiteral(".png"));
  const bool saved = dialog->grab().save(file);
  if (!saved) std::fprintf(stderr, "screenshots: %s cannot be written\n", qPrintable(file));
  dialog->close();
  return saved;
}

bool Screenshots::show_dialogs() {
  const auto text_of = [this](const char* label) {
    auto* found = window_.findChild<QLabel*>(QLatin1String(label));
    return found ? found->text() : QString();
  };
  window_.show_page(PageId::Data);
  settle(500);
  if (!click("inspectRowButton")) return false;
  auto* tokens = window_.findChild<QTextBrowser*>(QStringLiteral("inspectTokens"));
  const auto* measure = window_.findChild<QAbstractButton*>(QStringLiteral("inspectLosses"));
  if (!wait_until("the row", kDialogPatience,
                  [&] { return !tokens->toPlainText().isEmpty() && measure->isEnabled(); }) ||
      !click("inspectLosses") ||
      !wait_until("the losses", kDialogPatience,
                  [&] { return measure->isEnabled() && !text_of("inspectNote").isEmpty(); }) ||
      !save_dialog("inspectWindow", "inspect"))
    return false;
  window_.show_page(PageId::Ranks);
  if (!click("openStep")) return false;
  window_.findChild<QSpinBox*>(QStringLiteral("stepsBefore"))->setValue(2);
  const auto* take = window_.findChild<QAbstractButton*>(QStringLiteral("takeStep"));
  if (!click("takeStep")) return false;
  settle(100);
  if (!wait_until("the step", kDialogPatience,
                  [&] { return take->isEnabled() && !text_of("stepTitle").isEmpty(); }) ||
      !click("moment_3") || !save_dialog("stepWindow", "step"))
    return false;
  window_.show_page(PageId::Runs);
  settle(500);
  window_.findChild<QAction*>(QStringLiteral("exportRun"))->trigger();
  if (!save_dialog("exportDialog", "export")) return false;
  window_.findChild<QAction*>(QStringLiteral("chatWithRun"))->trigger();
  const auto* send = window_.findChild<QAbstractButton*>(QStringLiteral("chatSend"));
  window_.findChild<QLineEdit*>(QStringLiteral("chatText"))
      ->setText(QStringLiteral("What is at the top left?"));
  if (!wait_until("the chat", kDialogPatience, [&] { return send->isEnabled(); }) ||
      !click("chatSend"))
    return false;
  const auto* again = window_.findChild<QAbstractButton*>(QStringLiteral("chatAgain"));
  return wait_until("the answer", kDialogPatience, [&] { return again->isEnabled(); }) &&
         save_dialog("chatWindow", "chat");
}

}  // namespace luthier
