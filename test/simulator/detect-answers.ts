import type { Answer, SimRequest } from './route.ts';

/** What a wrong method on a right path is answered. */
export function methodNotAllowed(request: SimRequest): Answer {
  return { status: 405, body: { detail: `Method "${request.entry.method}" not allowed.` } };
}

/** What query parameters are answered that the call does not know or take. */
export function invalidParameters(names: readonly string[]): Answer {
  return {
    status: 400,
    body: { details: `The following query parameter(s) are invalid: ${names.join(', ')}.` },
  };
}

/** An HTML page, as the web server before the API answers. */
export function page(status: number, title: string): Answer {
  const body = `<html>\r\n<head><title>${status} ${title}</title></head>\r\n<body><center><h1>${status} ${title}</h1></center></body>\r\n</html>`;
  return { status, headers: { 'content-type': 'text/html; charset=utf-8' }, body };
}

/** To a user who may not do this. */
export const noRight = { details: 'You do not have permission to perform this action.' };
/** To an address that does not exist. */
export const notFoundPage = page(404, 'Not Found');
/** To an object that does not exist. */
export const notFound: Answer = { status: 404, body: { detail: 'Not found.' } };
/** To tagging an object that does not exist. */
export const noTagged: Answer = {
  status: 404,
  body: { status: 'failure', message: 'Could not find requested object' },
};
