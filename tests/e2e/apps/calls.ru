# SPDX-License-Identifier: MIT
# The same from Ruby.
app = lambda do |_env|
  answers = [UWSGI.rpc('', 'tracing.name', 'from ruby'),
             UWSGI.rpc('', 'tracing.tag', 'language', 'ruby')]
  [200, { 'Content-Type' => 'text/plain' }, [answers.join("\n")]]
end
run app
