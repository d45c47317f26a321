// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/desk/run_notice.h"

#include <QCoreApplication>
#include <QDBusConnection>
#include <QDBusMessage>
#include <QSettings>
#include <QWidget>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"

namespace luthier {

namespace {

const QString kWantNotices = QStringLiteral("run_notices");
constexpr int kUsualTime = -1;  // as long as the desktop shows its own

/// Desktops take a few marks of HTML in a notification's text.
QString plain_notice(const QString& text) { return text.toHtmlEscaped(); }

}  // namespace

bool wants_run_notices() { return QSettings().value(kWantNotices, true).toBool(); }
void want_run_notices(bool want) { QSettings().setValue(kWantNotices, want); }

void notify_desktop(const QString& title, const QString& text) {
  const QDBusConnection bus = QDBusConnection::sessionBus();
  if (!bus.isConnected()) return;
  const QString service = QStringLiteral("org.freedesktop.Notifications");
  QDBusMessage call = QDBusMessage::createMethodCall(
      service, QStringLiteral("/org/freedesktop/Notifications"), service, QStringLiteral("Notify"));
  call << QCoreApplication::applicationName() << 0U << QStringLiteral("org.luthier.Luthier")
       << title << plain_notice(text) << QStringList()
       << QVariantMap{{QStringLiteral("desktop-entry"), QStringLiteral("org.luthier.Luthier")}}
       << kUsualTime;
  call.setAutoStartService(true);
  bus.send(call);
}

RunNotice::RunNotice(Workspace& workspace, QWidget* window, Send send)
    : QObject(window), workspace_(workspace), window_(window), send_(std::move(send)) {
  connect(&workspace, &Workspace::run_ended, this, &RunNotice::tell);
}

void RunNotice::tell(const RunEnded& event) {
  if (window_->isActiveWindow() || !wants_run_notices()) return;
  const QString name = path_text(event.folder.filename());
  const auto say = [](const char* text) { return QCoreApplication::translate("RunNotice", text); };
  if (event.error)
    return send_(say(QT_TRANSLATE_NOOP("RunNotice", "“%1” failed")).arg(name),
                 error_text(*event.error));
  QString text = say(QT_TRANSLATE_NOOP("RunNotice", "after %1")).arg(duration_text(event.seconds));
  const auto& run = workspace_.run();
  if (run && !run->lines.empty())
    text += QStringLiteral(" · ") + say(QT_TRANSLATE_NOOP("RunNotice", "step %1, loss %2"))
                                        .arg(run->lines.back().step)
                                        .arg(number_text(run->lines.back().loss, 3));
  send_(QStringLiteral("“%1”: %2").arg(name, state_text(event.state)), text);
}

}  // namespace luthier
